// What clients of grpc-web do with the shop, in browsers.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import grpcWeb from 'grpc-web';
import { check } from './shop.js';

const NOT_FOUND = 5;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const UNIMPLEMENTED = 12;

// descriptorOf makes grpc-web's description of a method; messages are protobuf-es's.
function descriptorOf(method, name = method.name) {
  return new grpcWeb.MethodDescriptor(
    `/${method.parent.typeName}/${name}`,
    method.methodKind === 'unary' ? grpcWeb.MethodType.UNARY : grpcWeb.MethodType.SERVER_STREAMING,
    Object, Object,
    (m) => toBinary(method.input, create(method.input, m)),
    (b) => fromBinary(method.output, b),
  );
}

// grpcWebCases returns those of a format: "text", or "binary", which cannot stream.
export function grpcWebCases(shop, baseUrl, format, id) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const unary = (method, m, metadata = {}, name = method.name) => {
    const d = descriptorOf(method, name);
    return client.unaryCall(baseUrl + d.getName(), m, metadata, d);
  };
  const errorOf = async (promise) => {
    try {
      await promise;
    } catch (err) {
      return err;
    }
    throw new Error('the call succeeded, want an error');
  };
  const stream = (method, m, metadata = {}) => {
    const d = descriptorOf(method);
    return client.serverStreaming(baseUrl + d.getName(), m, metadata, d);
  };
  const { addOrder, getOrder, searchOrders } = shop.orders.method;
  const cases = {
    async orders() {
      const o = { id, items: ['Moon jar'], description: '달', price: 2, destination: 'Jeju' };
      await unary(addOrder, o);
      const got = await unary(getOrder, { value: id });
      check(got.description === '달' && got.items[0] === 'Moon jar', got);
    },
    async errors() {
      const none = await errorOf(unary(getOrder, { value: '없음' }));
      check(none.code === NOT_FOUND && none.message.includes('없음'), none);
      const bad = await errorOf(unary(addOrder, { id: '-1' }));
      check(bad.code === INVALID_ARGUMENT, bad);
      check(bad.metadata['grpc-status-details-bin'], 'no details in', bad.metadata);
      const missing = await errorOf(unary(getOrder, { value: 'x' }, {}, 'none'));
      check(missing.code === UNIMPLEMENTED, missing);
    },
  };
  if (format !== 'text') return cases;
  cases.searchOrders = () => new Promise((resolve, reject) => {
    const got = [];
    const s = stream(searchOrders, { value: 'Moon jar' });
    s.on('data', (o) => got.push(o.id));
    s.on('error', reject);
    s.on('end', () => (got.includes(id) ? resolve() : reject(new Error(`found ${got}`))));
  });
  // The first message comes before the stream has ended, which is what the text format is for.
  cases.cancel = () => new Promise((resolve, reject) => {
    const s = stream(shop.health.method.watch, {});
    s.on('data', () => {
      s.cancel();
      resolve();
    });
    s.on('error', reject);
    s.on('end', () => reject(new Error('the stream ended')));
  });
  cases.deadline = () => new Promise((resolve, reject) => {
    const began = Date.now();
    const s = stream(shop.health.method.watch, {}, { deadline: String(began + 500) });
    s.on('data', () => {});
    s.on('error', (err) => {
      const inTime = err.code === DEADLINE_EXCEEDED && Date.now() - began < 5000;
      if (inTime) resolve();
      else reject(new Error(JSON.stringify(err)));
    });
    s.on('end', () => reject(new Error('the stream ended')));
  });
  return cases;
}
