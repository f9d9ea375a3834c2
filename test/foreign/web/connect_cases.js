// What clients of connect-es do with the shop, in Node and in browsers.
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { check } from './shop.js';

async function errorOf(promise) {
  try {
    await promise;
  } catch (err) {
    return ConnectError.from(err);
  }
  throw new Error('the call succeeded, want an error');
}

async function all(stream) {
  const got = [];
  for await (const m of stream) got.push(m);
  return got;
}

// connectCases returns those that a transport can do. what: upload (client streams), duplex (bidirectional ones).
export function connectCases(shop, transport, id, what = {}) {
  const orders = createClient(shop.orders, transport);
  const products = createClient(shop.products, transport);
  const health = createClient(shop.health, transport);
  const cases = {
    async products() {
      const { value } = await products.addProduct({ name: 'Lamp', description: '램프', price: 7.5 });
      const p = await products.getProduct({ value });
      check(p.name === 'Lamp' && p.description === '램프' && p.price === 7.5, p);
      const err = await errorOf(products.getProduct({ value: '없음' }));
      check(err.code === Code.NotFound && err.rawMessage.includes('없음'), err.message);
    },

    async richError() {
      const err = await errorOf(orders.addOrder({ id: '-1' }));
      check(err.code === Code.InvalidArgument, err.message);
      const details = err.findDetails(shop.badRequest);
      check(details.length === 1 && details[0].fieldViolations[0].field === 'id', String(details.length));
    },

    async orders() {
      const o = { id, items: ['Celadon jar', 'Box'], description: '', price: 3, destination: 'Busan' };
      let header;
      await orders.addOrder(o, { onHeader: (h) => { header = h; } });
      check(header && header.get('content-type'), 'no header');
      const got = await orders.getOrder({ value: id });
      check(got.items.join() === o.items.join() && got.destination === 'Busan' && got.price === 3, got);
    },

    async searchOrders() {
      const found = await all(orders.searchOrders({ value: 'Celadon jar' }));
      check(found.some((o) => o.id === id), found.map((o) => o.id));
    },

    async large() {
      const description = 'x'.repeat(4096);
      const many = Array.from({ length: 30 }, (_, i) => ({ id: `${id}-large-${i}`, items: [`Heavy ${id}`], description, destination: 'Daegu' }));
      await Promise.all(many.map((o) => orders.addOrder(o)));
      const found = await all(orders.searchOrders({ value: `Heavy ${id}` }));
      check(found.length === 30 && found.every((o) => o.description === description), String(found.length));
    },

    async deadline() {
      const began = Date.now();
      let got = 0;
      const err = await errorOf((async () => {
        for await (const m of health.watch({}, { timeoutMs: 300 })) got += m ? 1 : 0;
      })());
      check(err.code === Code.DeadlineExceeded && got === 1, err.message, String(got));
      check(Date.now() - began < 5000, 'it took', String(Date.now() - began));
    },

    async cancel() {
      const stop = new AbortController();
      const err = await errorOf((async () => {
        for await (const m of health.watch({}, { signal: stop.signal })) stop.abort(m);
      })());
      check(err.code === Code.Canceled, err.message);
    },

    async unimplemented() {
      const none = { ...shop.orders.method.getOrder, name: 'none' };
      const err = await errorOf(transport.unary(none, undefined, undefined, undefined, { value: 'x' }));
      check(err.code === Code.Unimplemented, err.message);
    },

    async concurrent() {
      const got = await Promise.all(Array.from({ length: 50 }, () => orders.getOrder({ value: '105' })));
      check(got.every((o) => o.id === '105'), 'other orders');
    },
  };
  if (what.upload) {
    cases.updateOrders = async () => {
      async function* some() {
        for (let i = 2; i < 302; i++) {
          yield { id: `${id}-${i}`, items: ['Jar'], description: 'x'.repeat(4096), price: 1, destination: 'Jeju' };
        }
      }
      const { value } = await orders.updateOrders(some());
      check(value.includes(`${id}-2`) && value.includes(`${id}-301`), value.slice(0, 100));
    };
  }
  if (what.duplex) {
    // Answers of a batch must come before the next batch is sent.
    cases.processOrders = async () => {
      let next;
      const turn = () => new Promise((resolve) => { next = resolve; });
      let wait = turn();
      async function* ids() {
        for (let i = 0; i < 3; i++) {
          for (const value of ['102', '103', '104']) yield { value };
          await wait;
          wait = turn();
        }
      }
      const shipments = [];
      for await (const s of orders.processOrders(ids())) {
        shipments.push(s.ordersList.map((o) => o.id).join());
        if (shipments.length % 2 === 0) next();
      }
      check(shipments.join(';') === '102,104;103;102,104;103;102,104;103', shipments);
    };
  }
  return cases;
}
