// What a page of an origin that is not allowed may try. Each way must fail where the page can tell; that no call reached a
// handler is for the server to check.
import { createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { check } from './shop.js';

async function fails(promise) {
  let got;
  try {
    got = await promise;
  } catch {
    return;
  }
  throw new Error(`it succeeded: ${got && got.status}`);
}

// loaded resolves when an element has loaded, or failed to.
const loaded = (element) => new Promise((resolve) => {
  element.onload = resolve;
  element.onerror = resolve;
  document.body.append(element);
});

export function foreignCases(shop, baseUrl) {
  const add = `${baseUrl}/ecommerce.OrderManagement/addOrder`;
  const get = `${baseUrl}/ecommerce.OrderManagement/getOrder?connect=v1&encoding=json&message=%22105%22`;
  const order = JSON.stringify({ id: 'evil', items: ['x'], destination: 'x' });
  const json = { 'content-type': 'application/json' };
  return {
    fetch: () => fails(fetch(add, { method: 'POST', headers: json, body: order })),
    'fetch with credentials': () => fails(fetch(add, { method: 'POST', headers: json, body: order, credentials: 'include' })),
    'GET by fetch': () => fails(fetch(get)),
    'fetch of gRPC': () => fails(fetch(add, { method: 'POST', headers: { 'content-type': 'application/grpc' }, body: '\0\0\0\0\0' })),
    'connect-web': () => fails(createClient(shop.orders, createConnectTransport({ baseUrl })).addOrder({ id: 'evil' })),
    'connect-web GET': () => fails(createClient(shop.orders, createConnectTransport({ baseUrl, useHttpGet: true })).getOrder({ value: '105' })),
    'connect-web, gRPC-Web': () => fails(createClient(shop.orders, createGrpcWebTransport({ baseUrl })).addOrder({ id: 'evil' })),

    // Those that need no permission: the page does not see what becomes of them.
    'fetch without CORS': async () => {
      for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
        const res = await fetch(add, { method: 'POST', mode: 'no-cors', headers: { 'content-type': type }, body: order });
        check(res.type === 'opaque', res.type);
      }
    },
    'GET without CORS': () => fetch(get, { mode: 'no-cors', credentials: 'include' }).catch(() => {}),
    beacon: () => navigator.sendBeacon(add, order),
    image: () => {
      const img = new Image();
      img.src = get;
      return loaded(img);
    },
    script: () => {
      const script = document.createElement('script');
      script.src = get;
      return loaded(script);
    },
    frame: () => {
      const frame = document.createElement('iframe');
      frame.src = get;
      return loaded(frame);
    },
    form: () => {
      const frame = document.createElement('iframe');
      frame.name = 'target';
      const form = document.createElement('form');
      Object.assign(form, { action: add, method: 'POST', enctype: 'text/plain', target: 'target' });
      const input = document.createElement('input');
      Object.assign(input, { name: order.slice(0, -1), value: '}' });
      form.append(input);
      document.body.append(form);
      const done = loaded(frame);
      form.submit();
      return done;
    },
  };
}
