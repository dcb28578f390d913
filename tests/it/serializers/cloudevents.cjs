// Writes CloudEvents by the official SDK, a JSON object a line: a Kafka message's headers and body, in binary and
// structured mode by turns.
const { CloudEvent, Kafka } = require("cloudevents");

for (let id = 0; id < Number(process.argv[2]); id += 1) {
  const event = new CloudEvent({
    id: `e${id}`,
    source: "/shop",
    type: "order.changed",
    time: new Date(Date.UTC(2026, 0, 31, 10, 0, id % 60)).toISOString(),
    subject: id % 2 === 0 ? `order ${id}` : undefined,
    tenant: "t",
    data: { a: id, text: `ü ${id}` },
  });
  const message = id % 3 === 0 ? Kafka.structured(event) : Kafka.binary(event);
  const body = typeof message.value === "string" ? message.value : JSON.stringify(message.value);
  console.log(JSON.stringify({ headers: message.headers, body }));
}
