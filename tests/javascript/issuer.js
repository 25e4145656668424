// A certified OpenID provider that gives machines access tokens in JWT, for the audience that they ask for.
// Prints "ready" once it listens.
import { Provider } from "oidc-provider";

const [port, lifetime] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
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
