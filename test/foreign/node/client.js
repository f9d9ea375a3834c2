// Drives a shop server with Node's grpc-js: client.js host:port [ca.pem].
//
// Prints one line per case, "ok <case>" or "FAILED <case>: why", and exits with 1 if any failed.
'use strict';

const assert = require('assert');
const fs = require('fs');
const { grpc, packages, decode } = require('./shop');

const soon = () => ({ deadline: Date.now() + 20000 });

// unary makes a unary call and waits for it.
function unary(client, method, request, options = soon()) {
  return new Promise((resolve, reject) => {
    client[method](request, new grpc.Metadata(), options, (err, res) => (err ? reject(err) : resolve(res)));
  });
}

async function errorOf(promise) {
  try {
    await promise;
  } catch (err) {
    return err;
  }
  throw new Error('the call succeeded, want an error');
}

// all reads a stream to its end.
async function all(stream) {
  const got = [];
  for await (const m of stream) got.push(m);
  return got;
}

// reader returns a function that reads one message, or undefined at the end.
function reader(stream) {
  const it = stream[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await it.next();
    return done ? undefined : value;
  };
}

function update(client, orders) {
  return new Promise((resolve, reject) => {
    const stream = client.updateOrders(new grpc.Metadata(), soon(), (err, res) => (err ? reject(err) : resolve(res)));
    for (const o of orders) stream.write(o);
    stream.end();
  });
}

const idsOf = (shipment) => shipment.ordersList.map((o) => o.id);

const cases = {
  async products({ products }) {
    const id = await unary(products, 'addProduct', { name: 'Lamp', description: '램프', price: 7.5 });
    const p = await unary(products, 'getProduct', id);
    assert.deepStrictEqual([p.name, p.description, p.price], ['Lamp', '램프', 7.5]);
    const err = await errorOf(unary(products, 'getProduct', { value: '없음' }));
    assert.strictEqual(err.code, grpc.status.NOT_FOUND);
    assert.ok(err.details.includes('없음'), err.details);
  },

  async richError({ orders }) {
    const err = await errorOf(unary(orders, 'addOrder', { id: '-1' }));
    assert.strictEqual(err.code, grpc.status.INVALID_ARGUMENT);
    const status = decode('google.rpc.Status', err.metadata.get('grpc-status-details-bin')[0]);
    assert.strictEqual(status.code, 3);
    assert.strictEqual(status.details.length, 1);
    assert.ok(status.details[0].type_url.endsWith('google.rpc.BadRequest'), status.details[0].type_url);
    const bad = decode('google.rpc.BadRequest', status.details[0].value);
    assert.strictEqual(bad.field_violations[0].field, 'id');
  },

  async orders({ orders }) {
    const o = { id: 'js-1', items: ['Celadon jar', 'Box'], description: '', price: 3, destination: 'Busan' };
    await unary(orders, 'addOrder', o);
    assert.deepStrictEqual({ ...(await unary(orders, 'getOrder', { value: 'js-1' })) }, o);
    const answer = await update(orders, [2, 3].map((i) => ({ id: `js-${i}`, items: ['Celadon jar'], destination: 'Jeju' })));
    assert.ok(answer.value.includes('js-2') && answer.value.includes('js-3'), answer.value);
    const found = await all(orders.searchOrders({ value: 'Celadon jar' }, new grpc.Metadata(), soon()));
    assert.deepStrictEqual(found.map((f) => f.id), ['js-1', 'js-2', 'js-3']);
  },

  // Answers of a batch must come before the next batch is sent.
  async processOrders({ orders }) {
    const stream = orders.processOrders(new grpc.Metadata(), soon());
    const next = reader(stream);
    for (let i = 0; i < 3; i++) {
      for (const id of ['102', '103', '104']) stream.write({ value: id });
      assert.deepStrictEqual(idsOf(await next()), ['102', '104']);
      assert.deepStrictEqual(idsOf(await next()), ['103']);
    }
    stream.write({ value: '105' });
    stream.end();
    assert.deepStrictEqual(idsOf(await next()), ['105']);
    assert.strictEqual(await next(), undefined);
  },

  async deadline({ orders }) {
    const stream = orders.processOrders(new grpc.Metadata(), { deadline: Date.now() + 200 });
    stream.write({ value: '102' });
    const err = await errorOf(all(stream));
    assert.strictEqual(err.code, grpc.status.DEADLINE_EXCEEDED);
  },

  async cancel({ orders }) {
    const stream = orders.processOrders(new grpc.Metadata(), soon());
    for (let i = 0; i < 3; i++) stream.write({ value: '103' });
    const next = reader(stream);
    await next();
    stream.cancel();
    assert.strictEqual((await errorOf(next())).code, grpc.status.CANCELLED);
  },

  async large({ orders }) {
    const many = Array.from({ length: 300 }, (_, i) => ({
      id: `js-large-${i}`, items: ['Heavy jar'], description: 'x'.repeat(4096), price: 1, destination: 'Daegu',
    }));
    await update(orders, many);
    const found = await all(orders.searchOrders({ value: 'Heavy jar' }, new grpc.Metadata(), soon()));
    assert.deepStrictEqual(found.map((o) => ({ ...o })), many);
  },

  async compressed({ gzip }) {
    const items = Array.from({ length: 100 }, () => 'gzip '.repeat(40));
    await unary(gzip, 'addOrder', { id: 'js-gz', items, destination: 'Ulsan' });
    assert.deepStrictEqual((await unary(gzip, 'getOrder', { value: 'js-gz' })).items, items);
  },

  async unimplemented({ channel }) {
    const call = new Promise((resolve, reject) => {
      channel.makeUnaryRequest('/ecommerce.OrderManagement/none', () => Buffer.alloc(0), (b) => b, {},
        new grpc.Metadata(), soon(), (err, res) => (err ? reject(err) : resolve(res)));
    });
    assert.strictEqual((await errorOf(call)).code, grpc.status.UNIMPLEMENTED);
  },

  async concurrent({ orders }) {
    const got = await Promise.all(Array.from({ length: 100 }, () => unary(orders, 'getOrder', { value: '105' })));
    assert.ok(got.every((o) => o.id === '105'));
  },
};

async function main() {
  const [target, ca] = process.argv.slice(2);
  const creds = ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure();
  const { OrderManagement, ProductInfo } = packages.ecommerce;
  const clients = {
    orders: new OrderManagement(target, creds),
    products: new ProductInfo(target, creds),
    gzip: new OrderManagement(target, creds, {
      'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
      'grpc.use_local_subchannel_pool': 1,
    }),
    channel: new grpc.Client(target, creds),
  };
  let failed = false;
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run(clients);
      console.log('ok', name);
    } catch (err) {
      failed = true;
      console.log(`FAILED ${name}: ${String(err).replace(/\n/g, ' ')}`);
    }
  }
  for (const c of Object.values(clients)) c.close();
  process.exitCode = failed ? 1 : 0;
}

main();
