// Receives rich errors and large trailers with Node's grpc-js: rich.js host:port [ca.pem].
//
// Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const { definition } = require('./sizes');

const KB = 1000;
const FITS = 4 * KB; // below that everything has to come
const INSTEAD = [grpc.status.RESOURCE_EXHAUSTED, grpc.status.INTERNAL];
const cases = [
  ...[1, 6, 8, 15, 64].map((n) => ['details', n * KB, grpc.status.FAILED_PRECONDITION]),
  ...[1, 6, 20].map((n) => ['trailer', n * KB, grpc.status.OK]),
];

const [target, ca] = process.argv.slice(2);
const creds = ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure();
const Client = grpc.makeGenericClientConstructor(definition, 'Pair');
const client = new Client(target, creds);

function outcome(what, n) {
  return new Promise((resolve) => {
    const call = client.Unary(`${what} ${n}`, new grpc.Metadata(), { deadline: Date.now() + 3000 }, () => {});
    call.on('status', resolve);
  });
}

async function check(what, n, want) {
  const began = Date.now();
  const { code, details, metadata } = await outcome(what, n);
  const values = [...metadata.get('pad'), ...metadata.get('grpc-status-details-bin')];
  const came = Math.max(0, ...values.map((v) => v.length));
  const got = `${code} ${JSON.stringify(details)} with ${came} bytes after ${Date.now() - began} ms`;
  if (code !== want && (n <= FITS || !INSTEAD.includes(code) || !details)) throw new Error(got);
  if (came < n && (n <= FITS || code === grpc.status.OK)) throw new Error(got);
  if (Date.now() - began > 1000) throw new Error(got);
}

async function main() {
  for (const [what, n, want] of cases) {
    const name = `${what} of ${n} bytes`;
    try {
      await check(what, n, want);
      console.log('ok', name);
    } catch (err) {
      process.exitCode = 1;
      console.log(`FAILED ${name}: ${String(err).replace(/\n/g, ' ')}`);
    }
  }
  client.close();
}

main();
