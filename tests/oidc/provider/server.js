// A certified OpenID provider with three people, for the dashboard whose address is the first argument.
// Prints its issuer. `localhost` is another site than the dashboard's 127.0.0.1, as in real life.
import http from "node:http";
import Provider from "oidc-provider";

const dashboard = process.argv[2];
const GROUPS = { ada: ["harmony-admins"], kim: ["everybody", "harmony-operators"], lou: ["everybody"] };

const server = http.createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "harmony",
        client_secret: "canary of the certified provider",
        redirect_uris: [`${dashboard}/sign-in/provider/callback`],
        post_logout_redirect_uris: [`${dashboard}/sign-in`],
        backchannel_logout_uri: `${dashboard}/sign-in/provider/logout`,
        backchannel_logout_session_required: true,
      },
    ],
    claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
    scopes: ["openid", "profile", "groups"],
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    cookies: { keys: ["a key for the cookies of a test"] },
    // Its own calls refuse loopback, where the dashboard is.
    fetch: (url, { dispatcher, signal, ...options }) => fetch(url, options),
    features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: GROUPS[id] ?? [] }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
