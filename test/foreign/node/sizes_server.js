// A server of messages of any size on Node's grpc-js: sizes_server.js port [cert.pem key.pem].
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const { definition } = require('./sizes');

// answer is what a request asks for: "<bytes> <milliseconds>;...".
function answer(first, total) {
  const [down, later] = first.split(';')[0].split(' ').map(Number);
  return { message: `${total};` + 'd'.repeat(down), later };
}

// respond sends the only response, and the end at once or later.
function respond(call, { message, later }) {
  call.write(message);
  setTimeout(() => call.end(), later);
}

// gather calls back with the first request and the length of all when they have ended.
function gather(call, done) {
  let first;
  let total = 0;
  call.on('data', (m) => {
    if (first === undefined) first = m;
    total += m.length;
  });
  call.on('end', () => done(first, total));
}

const [port, cert, key] = process.argv.slice(2);
const server = new grpc.Server({
  'grpc.max_receive_message_length': 64 << 20,
  'grpc.max_send_message_length': 64 << 20,
});
server.addService(definition, {
  Unary: (call, done) => done(null, answer(call.request, call.request.length).message),
  Server: (call) => respond(call, answer(call.request, call.request.length)),
  Client: (call, done) => gather(call, (first, total) => done(null, answer(first, total).message)),
  Bidi: (call) => gather(call, (first, total) => respond(call, answer(first, total))),
});
const creds = cert
  ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: fs.readFileSync(cert), private_key: fs.readFileSync(key) }])
  : grpc.ServerCredentials.createInsecure();
server.bindAsync(`localhost:${port}`, creds, (err) => {
  if (err) throw err;
});
