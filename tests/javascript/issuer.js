// A certified OpenID provider that gives machines access tokens in JWT, for the audience that they ask for.
// Prints "ready" once it listens. Given a private key and its certificate (files in PEM), its JWKS names the certificate.
import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const [port, lifetime, keyFile, certificateFile] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const certified = () => {
  const certificate = new X509Certificate(readFileSync(certificateFile));
  const key = createPrivateKey(readFileSync(keyFile)).export({ format: "jwk" });
  return { keys: [{ ...key, use: "sig", alg: "RS256", x5c: [certificate.raw.toString("base64")] }] };
};

const provider = new Provider(issuer, {
  ...(keyFile && { jwks: certified() }),
  clients: [
    {
      client_id: "machine",
      client_secret: "the-secret-of-the-machine",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: "",
        audience: new URL(resource).host,
        accessTokenFormat: "jwt",
        accessTokenTTL: resource.endsWith("/brief") ? Number(lifetime) : 3600,
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
