// The service of messages of any size, whose requests and responses are each one string in a
// google.protobuf.StringValue.
'use strict';

function encode(text) {
  const body = Buffer.from(text);
  const head = [0x0a];
  let n = body.length;
  for (; n > 127; n >>>= 7) head.push((n & 127) | 128);
  head.push(n);
  return body.length ? Buffer.concat([Buffer.from(head), body]) : Buffer.alloc(0);
}

function decode(bytes) {
  if (bytes.length === 0) return '';
  if (bytes[0] !== 0x0a) throw new Error(`field ${bytes[0]}`);
  let at = 1;
  let n = 0;
  for (let shift = 0; ; shift += 7) {
    const b = bytes[at++];
    n += (b & 127) * 2 ** shift;
    if (b < 128) break;
  }
  if (bytes.length !== at + n) throw new Error(`${bytes.length} bytes, want ${at + n}`);
  return bytes.toString('latin1', at);
}

const method = (name, requestStream, responseStream) => ({
  path: `/naru.test.Pair/${name}`,
  requestStream,
  responseStream,
  requestSerialize: encode,
  requestDeserialize: decode,
  responseSerialize: encode,
  responseDeserialize: decode,
});

module.exports.definition = {
  Unary: method('Unary', false, false),
  Server: method('Server', false, true),
  Client: method('Client', true, false),
  Bidi: method('Bidi', true, true),
};
