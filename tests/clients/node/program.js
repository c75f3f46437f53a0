// The steps of README.md with toxiproxy-node-client.
import net from "node:net";
import { Toxiproxy } from "toxiproxy-node-client";

const KINDS = {
  latency: { latency: 0, jitter: 0 },
  bandwidth: { rate: 100 },
  slow_close: { delay: 0 },
  timeout: { timeout: 0 },
  reset_peer: { timeout: 0 },
  slicer: { average_size: 10, size_variation: 1, delay: 0 },
  limit_data: { bytes: 1000 },
};

const say = (step, seen) => console.log(JSON.stringify({ step, seen }));

// Milliseconds until the echo; null when refused.
function ask(proxy) {
  const at = proxy.listen.lastIndexOf(":");
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const sock = net.connect(Number(proxy.listen.slice(at + 1)), proxy.listen.slice(0, at), () => sock.write("x"));
    sock.on("data", () => { sock.destroy(); resolve(performance.now() - began); });
    sock.on("error", (error) => (error.code === "ECONNREFUSED" ? resolve(null) : reject(error)));
  });
}

const [host, port, behind] = process.argv.slice(2);
const api = new Toxiproxy(`http://${host}:${port}`);
say("version", await api.getVersion());
const upstream = `127.0.0.1:${behind}`;
let proxy = await api.createProxy({ name: "mine", listen: "127.0.0.1:0", upstream });
say("created", [proxy.name, proxy.enabled]);
say("asked", (await ask(proxy)) !== null);
const body = { name: "slow", type: "latency", stream: "downstream", toxicity: 1, attributes: { latency: 150, jitter: 0 } };
const slow = await proxy.addToxic(body);
say("slow", slow.toJson());
say("slowed", (await ask(proxy)) >= 150);
say("updated", (await slow.update({ ...body, attributes: { latency: 7, jitter: 1 } })).toJson());
say("shown", (await proxy.getToxic("slow")).toJson());
await slow.remove();
for (const [type, attributes] of Object.entries(KINDS))
  await proxy.addToxic({ name: type, type, stream: "upstream", toxicity: 0, attributes });
const toxics = await Promise.all(Object.keys(KINDS).map((name) => proxy.getToxic(name)));
say("every toxic", toxics.map((each) => each.toJson()));
proxy = await proxy.update({ enabled: false, listen: proxy.listen, upstream });
say("disabled", [proxy.enabled, await ask(proxy)]);
proxy = await proxy.update({ enabled: true, listen: proxy.listen, upstream });
try {
  await api.createProxy({ name: "mine", listen: "127.0.0.1:0", upstream });
} catch (error) {
  say("again", String(error.message));
}
const others = ["a", "b"].map((name) => ({ name, listen: "127.0.0.1:0", upstream: "127.0.0.1:9" }));
say("populated", Object.keys(await api.populate(others)));
await api.reset();
const left = await proxy.getToxic("timeout").catch((error) => error.message);
say("reset", [left, (await ask(proxy)) !== null]);
for (const each of Object.values(await api.getAll())) await each.remove();
say("deleted", Object.keys(await api.getAll()));
