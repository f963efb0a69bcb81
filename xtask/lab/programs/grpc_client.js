// Unary calls and conversations of grpc-js. Usage: grpc_client.js TARGET COUNT; beside node_modules.
//
// Prints how many calls were made and how many ended as they should, as JSON.

const grpc = require("@grpc/grpc-js");

const [target, count] = [process.argv[2], Number(process.argv[3])];
const same = (bytes) => bytes;
const method = (name, requestStream, responseStream) => ({
  path: `/lab.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const Echo = grpc.makeGenericClientConstructor(
  { unary: method("Unary", false, false), chat: method("Chat", true, true) },
  "Echo",
);
const client = new Echo(target, grpc.credentials.createInsecure());
const tags = (number) => {
  const metadata = new grpc.Metadata();
  metadata.add("x-number", String(number));
  metadata.add("x-twice", "a");
  metadata.add("x-twice", "b");
  metadata.add("x-blob-bin", Buffer.from([0, 10, 13, 255]));
  return metadata;
};
const deadline = () => Date.now() + 60_000;

const unary = (number) =>
  new Promise((done) => {
    const sent = Buffer.alloc((number * 37) % 5000, String(number));
    client.unary(sent, tags(number), { deadline: deadline() }, (error, answer) => {
      done(!error && answer.equals(sent));
    });
  });

// Each message waits for the answer to the one before.
const chat = (number) =>
  new Promise((done) => {
    const call = client.chat(tags(number), { deadline: deadline() });
    let heard = 0;
    call.on("data", () => (++heard < 5 ? call.write(Buffer.alloc(500, "m")) : call.end()));
    call.on("error", () => done(false));
    call.on("status", (status) => done(status.code === grpc.status.OK && heard === 5));
    call.write(Buffer.alloc(500, "m"));
  });

(async () => {
  let well = 0;
  for (let number = 0; number < count; number++) {
    well += await (number % 5 === 4 ? chat(number) : unary(number));
  }
  console.log(JSON.stringify({ made: count, well }));
  client.close();
})();
