// What client.js and server.js share. The environment variable SHOP_DESCRIPTORS names the file of
// descriptors that "naru gen --descriptor-set" wrote.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const definition = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(process.env.SHOP_DESCRIPTORS), {
  keepCase: true,
  defaults: true,
});

module.exports = {
  grpc,
  packages: grpc.loadPackageDefinition(definition),
  // Codecs of single messages, for what is not a method's argument.
  encode: (name, value) => definition[name].serialize(value),
  decode: (name, bytes) => definition[name].deserialize(bytes),
};
