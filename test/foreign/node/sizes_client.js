// Calls a server with messages of many sizes: sizes_client.js host:port "size size ..." [ca.pem].
//
// Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const { definition } = require('./sizes');

const LATER = 300; // milliseconds from a message to the end
const options = () => ({ deadline: Date.now() + 10000 });

const [target, list, ca] = process.argv.slice(2);
const sizes = list.split(' ').map(Number);
const creds = ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure();
const Client = grpc.makeGenericClientConstructor(definition, 'Pair');
const client = new Client(target, creds, {
  'grpc.max_receive_message_length': 64 << 20,
  'grpc.max_send_message_length': 64 << 20,
});

function request(up, down, later) {
  const head = `${down} ${later};`;
  return head + 'u'.repeat(Math.max(0, up - head.length));
}

function check(got, text, down) {
  const want = `${text.length};` + 'd'.repeat(down);
  if (got !== want) throw new Error(`a response of ${got && got.length} bytes, want ${want.length}`);
}

function unary(up, down) {
  const text = request(up, down, 0);
  return new Promise((resolve, reject) => {
    client.Unary(text, new grpc.Metadata(), options(), (err, res) => (err ? reject(err) : resolve(check(res, text, down))));
  });
}

function end(stream, later) {
  if (later) setTimeout(() => stream.end(), LATER);
  else stream.end();
}

function upload(up, later) {
  const text = request(up, 0, 0);
  return new Promise((resolve, reject) => {
    const stream = client.Client(new grpc.Metadata(), options(), (err, res) => (err ? reject(err) : resolve(check(res, text, 0))));
    stream.write(text);
    end(stream, later);
  });
}

async function only(stream, text, down) {
  const got = [];
  for await (const m of stream) got.push(m);
  if (got.length !== 1) throw new Error(`${got.length} responses`);
  check(got[0], text, down);
}

function download(down, later) {
  const text = request(0, down, later ? LATER : 0);
  return only(client.Server(text, new grpc.Metadata(), options()), text, down);
}

function both(n, later) {
  const text = request(n, n, later ? LATER : 0);
  const stream = client.Bidi(new grpc.Metadata(), options());
  stream.write(text);
  end(stream, later);
  return only(stream, text, n);
}

async function main() {
  const cases = [];
  for (const n of sizes) {
    cases.push([`unary, ${n} up`, n, () => unary(n, 0)], [`unary, ${n} down`, n, () => unary(0, n)]);
    for (const later of [false, true]) {
      const when = later ? ', end later' : '';
      cases.push([`client, ${n} up${when}`, n, () => upload(n, later)]);
      cases.push([`server, ${n} down${when}`, n, () => download(n, later)]);
      cases.push([`bidi, ${n} both${when}`, n, () => both(n, later)]);
    }
  }
  let failed = false;
  const run = async ([name, , f]) => {
    try {
      await f();
      console.log('ok', name);
    } catch (err) {
      failed = true;
      console.log(`FAILED ${name}: ${String(err).replace(/\n/g, ' ').slice(0, 300)}`);
    }
  };
  // Large messages one after the other, the rest in groups.
  const large = cases.filter(([, n]) => n >= 4 << 20);
  const small = cases.filter(([, n]) => n < 4 << 20);
  for (let i = 0; i < small.length && !failed; i += 16) await Promise.all(small.slice(i, i + 16).map(run));
  for (const c of large) await run(c);
  client.close();
  process.exitCode = failed ? 1 : 0;
}

main();
