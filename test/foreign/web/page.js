// A page that calls a shop server from a browser. Its query has the server's origin, and whether its own is allowed to call.
// It reports one line per case to where it came from, and "done" at the end.
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { connectCases } from './connect_cases.js';
import { grpcWebCases } from './grpcweb_cases.js';
import { foreignCases } from './foreign_cases.js';
import { load, run } from './shop.js';

const query = new URLSearchParams(location.search);
const baseUrl = query.get('server');
const name = query.get('name');
const report = (line) => fetch('/report', { method: 'POST', body: line });

async function main() {
  const shop = load(new Uint8Array(await (await fetch('/shop.binpb')).arrayBuffer()));
  if (query.get('allowed') !== 'yes') {
    await run(name, foreignCases(shop, baseUrl), report);
    return;
  }
  const jsonOptions = { registry: shop.registry };
  const transports = {
    Connect: createConnectTransport({ baseUrl, jsonOptions }),
    'Connect binary': createConnectTransport({ baseUrl, useBinaryFormat: true }),
    'Connect GET': createConnectTransport({ baseUrl, jsonOptions, useHttpGet: true }),
    'gRPC-Web': createGrpcWebTransport({ baseUrl }),
    'gRPC-Web JSON': createGrpcWebTransport({ baseUrl, jsonOptions, useBinaryFormat: false }),
  };
  let n = 0;
  for (const [protocol, transport] of Object.entries(transports)) {
    await run(`${name}, connect-web, ${protocol}:`, connectCases(shop, transport, `${name}-${n++}`), report);
  }
  for (const format of ['text', 'binary']) {
    await run(`${name}, grpc-web, ${format}:`, grpcWebCases(shop, baseUrl, format, `${name}-${n++}`), report);
  }
}

main().catch((err) => report(`FAILED ${name}: ${err.stack || err}`)).finally(() => report('done'));
