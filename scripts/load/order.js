// k6's contender: the same order, with a key of its own; the answer is parsed.
import http from "k6/http";

const BODY = '{"user_id":"u4711","channel":"DY","lines":[{"sku":"hot-1","quantity":1,"price":"19.99"}]}';

export const options = { summaryTrendStats: ["med"], discardResponseBodies: false };

export default function () {
  const key = `${__VU}-${__ITER}`;
  const headers = { "Content-Type": "application/json", Accept: "application/json", "Idempotency-Key": key };
  const answer = http.post(`${__ENV.URL}/orders`, BODY, { headers });
  if (answer.status !== 201 || !answer.json("order_id")) throw new Error(`not placed: ${answer.status}`);
}
