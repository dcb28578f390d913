// Writes orders by KafkaJS's serializer: registers the schemas at the registry that is named, and prints each body as
// base64, a line each: avro, protobuf or json, then the body.
const { SchemaRegistry, SchemaType } = require("@kafkajs/confluent-schema-registry");

const [host, prefix, count] = process.argv.slice(2);
const registry = new SchemaRegistry({ host }, { [SchemaType.PROTOBUF]: { messageName: "Order" } });

const avro = (more) => JSON.stringify({
  type: "record",
  name: "Order",
  namespace: "shop",
  fields: [
    { name: "id", type: "long" },
    { name: "note", type: ["null", "string"] },
    { name: "price", type: { type: "bytes", logicalType: "decimal", precision: 10, scale: 2 } },
    { name: "day", type: { type: "int", logicalType: "date" } },
    { name: "at", type: { type: "long", logicalType: "timestamp-micros" } },
    { name: "kind", type: { type: "enum", name: "Kind", symbols: ["NEW", "OLD"] } },
    { name: "tags", type: { type: "array", items: "string" } },
    ...more,
  ],
});

const protobuf = `syntax = "proto3";
package shop;
message Unused { string x = 1; }
message Order {
  message Line { string item = 1; int32 pieces = 2; }
  enum Kind { NEW = 0; OLD = 1; }
  int64 id = 1;
  string note = 2;
  repeated Line lines = 3;
  bool done = 4;
  bytes raw = 5;
  double ratio = 6;
  Kind kind = 7;
  int32 left_over = 8;
}
`;

const json = JSON.stringify({
  $schema: "http://json-schema.org/draft-07/schema#",
  type: "object",
  properties: { id: { type: "integer" }, note: { type: "string" } },
  required: ["id"],
});

async function main() {
  const register = (type, schema, name) => registry.register({ type, schema }, { subject: `${prefix}-${name}` });
  const first = await register(SchemaType.AVRO, avro([]), "avro-value");
  const added = { name: "added", type: ["null", "int"], default: null };
  const second = await register(SchemaType.AVRO, avro([added]), "avro-value");
  const proto = await registry.register(
    { type: SchemaType.PROTOBUF, schema: protobuf },
    { subject: `${prefix}-protobuf-value` },
  );
  const checked = await register(SchemaType.JSON, json, "json-value");
  for (let id = 0; id < Number(count); id += 1) {
    const order = {
      id,
      note: id % 3 === 0 ? null : `note ${id} "ü"`,
      price: Buffer.from([id % 128, id % 256]),
      day: 20000 + id,
      at: 1769864645123456 + id,
      kind: id % 2 === 0 ? "NEW" : "OLD",
      tags: Array.from({ length: id % 4 }, (_, n) => `t${n}`),
    };
    const newer = id % 2 === 1;
    const bytes = await registry.encode(newer ? second.id : first.id, newer ? { ...order, added: id } : order);
    console.log(`avro ${bytes.toString("base64")}`);
    const message = {
      id,
      note: `note ${id}`,
      lines: Array.from({ length: id % 3 }, (_, n) => ({ item: `i${n}`, pieces: n })),
      done: id % 2 === 0,
      raw: Buffer.from([0, id % 256]),
      ratio: id / 4,
      kind: id % 2,
      leftOver: id % 5,
    };
    // Which message of the file it is, KafkaJS leaves out: one index, and that is 1, both in zigzag form.
    const encoded = await registry.encode(proto.id, message);
    const whole = Buffer.concat([encoded.subarray(0, 5), Buffer.from([2, 2]), encoded.subarray(5)]);
    console.log(`protobuf ${whole.toString("base64")}`);
    console.log(`json ${(await registry.encode(checked.id, { id, note: `note ${id}` })).toString("base64")}`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
