// Verifies a JSON Web Token (standard input) as a service that trusts its issuer does, by the keys that the issuer's
// discovery document names, and prints its claims:  verify.js <issuer> <audience>
import { createRemoteJWKSet, jwtVerify } from "jose";
import { readFileSync } from "node:fs";

const [issuer, audience] = process.argv.slice(2);
const discovery = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));
const { payload, protectedHeader } = await jwtVerify(readFileSync(0, "utf8"), keys, { issuer, audience });
console.log(JSON.stringify({ ...payload, alg: protectedHeader.alg }));
