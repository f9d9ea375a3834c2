// Drives a shop server with connect-es in Node: node.js host:port [ca.pem].
//
// Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
import fs from 'node:fs';
import { compressionGzip, createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { connectCases } from './connect_cases.js';
import { load, run } from './shop.js';

const [target, ca] = process.argv.slice(2);
const shop = load(fs.readFileSync(process.env.SHOP_DESCRIPTORS));
const baseUrl = `${ca ? 'https' : 'http'}://${target}`;
const nodeOptions = ca ? { ca: fs.readFileSync(ca) } : {};

const protocols = {
  Connect: [createConnectTransport, {}],
  'Connect JSON': [createConnectTransport, { useBinaryFormat: false }],
  'Connect GET': [createConnectTransport, { useHttpGet: true }],
  'Connect gzip': [createConnectTransport, { sendCompression: compressionGzip, acceptCompression: [compressionGzip], compressMinBytes: 1 }],
  'gRPC-Web': [createGrpcWebTransport, {}],
  'gRPC-Web JSON': [createGrpcWebTransport, { useBinaryFormat: false }],
  'gRPC-Web gzip': [createGrpcWebTransport, { sendCompression: compressionGzip, acceptCompression: [compressionGzip], compressMinBytes: 1 }],
  gRPC: [createGrpcTransport, {}],
};

let n = 0;
for (const httpVersion of ['1.1', '2']) {
  for (const [name, [createTransport, options]] of Object.entries(protocols)) {
    if (name === 'gRPC' && httpVersion === '1.1') continue; // it needs HTTP/2
    options.jsonOptions = { registry: shop.registry };
    const transport = createTransport({ baseUrl, httpVersion, nodeOptions, ...options });
    const cases = connectCases(shop, transport, `node-${n++}`, { upload: true, duplex: httpVersion === '2' });
    await run(`${name} over HTTP/${httpVersion}`, cases, (line) => {
      console.log(line);
      if (line.startsWith('FAILED')) process.exitCode = 1;
    });
  }
}
process.exit(); // connections that are kept would hold it open
