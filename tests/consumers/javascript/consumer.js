// Calls STS all the time with the AWS SDK for JavaScript and the credentials that it finds by itself.
// Prints a line of JSON for each call.
import { createRequire } from "node:module";
import { setTimeout } from "node:timers/promises";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const say = (line) => console.log(JSON.stringify(line));
const { version } = createRequire(import.meta.url)("@aws-sdk/client-sts/package.json");
const pause = Number(process.env.CALL_EVERY_MS);

say({ sdk: version });
const sts = new STSClient({});
for (;;) {
  try {
    await sts.send(new GetCallerIdentityCommand({}));
    say({ ok: true });
  } catch (error) {
    console.error(error.message);
    say({ ok: false, code: error.name });
  }
  await setTimeout(pause);
}
