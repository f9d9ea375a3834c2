// The shop on Node's grpc-js: server.js port [cert.pem key.pem]. Orders live in memory.
'use strict';

const fs = require('fs');
const { grpc, packages, encode } = require('./shop');

const seeds = [
  ['102', ['Google Pixel 3A', 'Mac Book Pro'], 'Mountain View, CA', 1800],
  ['103', ['Apple Watch S4'], 'San Jose, CA', 400],
  ['104', ['Google Home Mini', 'Google Nest Hub'], 'Mountain View, CA', 400],
  ['105', ['Amazon Echo'], 'San Jose, CA', 30],
  ['106', ['Amazon Echo', 'Apple iPhone XS'], 'Mountain View, CA', 300],
];
const orders = new Map(seeds.map(([id, items, destination, price]) => [id, { id, items, destination, price }]));
const products = new Map();

const failure = (code, details, metadata) => ({ code, details, metadata });

// invalid is the error of an order with the id "-1", with its details.
function invalid() {
  const bad = encode('google.rpc.BadRequest', { field_violations: [{ field: 'id', description: 'is not an id' }] });
  const status = {
    code: 3,
    message: 'the order is not valid',
    details: [{ type_url: 'type.googleapis.com/google.rpc.BadRequest', value: bad }],
  };
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', encode('google.rpc.Status', status));
  return failure(grpc.status.INVALID_ARGUMENT, status.message, metadata);
}

function find(map, what) {
  return (call, done) => {
    const found = map.get(call.request.value);
    if (found) done(null, found);
    else done(failure(grpc.status.NOT_FOUND, `there is no ${what} ${call.request.value}`));
  };
}

const orderManagement = {
  addOrder(call, done) {
    if (call.request.id === '-1') return done(invalid());
    orders.set(call.request.id, call.request);
    done(null, { value: `Order Added: ${call.request.id}` });
  },
  getOrder: find(orders, 'order'),
  searchOrders(call) {
    for (const o of orders.values()) {
      if (o.items.some((i) => i.includes(call.request.value))) call.write(o);
    }
    call.end();
  },
  updateOrders(call, done) {
    const ids = [];
    call.on('data', (o) => {
      orders.set(o.id, o);
      ids.push(o.id);
    });
    call.on('end', () => done(null, { value: `Updated Order IDs: ${ids.join(', ')}` }));
  },
  processOrders(call) {
    let batch = new Map();
    let seen = 0;
    const flush = () => {
      for (const s of batch.values()) call.write(s);
      batch = new Map();
      seen = 0;
    };
    call.on('data', ({ value }) => {
      const o = orders.get(value);
      if (!batch.has(o.destination)) {
        batch.set(o.destination, { id: `cmb - ${o.destination}`, status: 'Processed!', ordersList: [] });
      }
      batch.get(o.destination).ordersList.push(o);
      if (++seen === 3) flush();
    });
    call.on('end', () => {
      flush();
      call.end();
    });
  },
};

const productInfo = {
  addProduct(call, done) {
    const id = `product-${products.size + 1}`;
    products.set(id, { ...call.request, id });
    done(null, { value: id });
  },
  getProduct: find(products, 'product'),
};

const [port, cert, key] = process.argv.slice(2);
const creds = cert
  ? grpc.ServerCredentials.createSsl(null, [{ cert_chain: fs.readFileSync(cert), private_key: fs.readFileSync(key) }])
  : grpc.ServerCredentials.createInsecure();
const server = new grpc.Server();
server.addService(packages.ecommerce.OrderManagement.service, orderManagement);
server.addService(packages.ecommerce.ProductInfo.service, productInfo);
server.bindAsync(`localhost:${port}`, creds, (err) => {
  if (err) throw err;
});
