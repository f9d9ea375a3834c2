// The shop's services, from its descriptors, and the health service, which has a stream without an end.
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type, FileDescriptorProtoSchema, FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';

const field = (name, number, type, typeName) => ({ name, number, type, typeName, label: Label.OPTIONAL, jsonName: name });

const health = create(FileDescriptorProtoSchema, {
  name: 'health.proto',
  package: 'grpc.health.v1',
  syntax: 'proto3',
  messageType: [
    { name: 'HealthCheckRequest', field: [field('service', 1, Type.STRING)] },
    {
      name: 'HealthCheckResponse',
      field: [field('status', 1, Type.ENUM, '.grpc.health.v1.ServingStatus')],
    },
  ],
  enumType: [{ name: 'ServingStatus', value: [{ name: 'UNKNOWN', number: 0 }, { name: 'SERVING', number: 1 }] }],
  service: [{
    name: 'Health',
    method: [{
      name: 'Watch',
      inputType: '.grpc.health.v1.HealthCheckRequest',
      outputType: '.grpc.health.v1.HealthCheckResponse',
      serverStreaming: true,
    }],
  }],
});

// load returns what a FileDescriptorSet of the shop describes.
export function load(bytes) {
  const files = fromBinary(FileDescriptorSetSchema, bytes);
  files.file.push(health);
  const registry = createFileRegistry(files);
  return {
    registry,
    orders: registry.getService('ecommerce.OrderManagement'),
    products: registry.getService('ecommerce.ProductInfo'),
    health: registry.getService('grpc.health.v1.Health'),
    badRequest: registry.getMessage('google.rpc.BadRequest'),
  };
}

// check throws unless what holds.
export function check(what, ...why) {
  if (!what) throw new Error(why.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))).join(' '));
}

// run runs cases one after another, and tells report a line of each.
export async function run(prefix, cases, report) {
  for (const [name, body] of Object.entries(cases)) {
    try {
      await body();
      await report(`ok ${prefix} ${name}`);
    } catch (err) {
      await report(`FAILED ${prefix} ${name}: ${String(err && err.stack ? err.stack : err).replace(/\n/g, ' ')}`);
    }
  }
}
