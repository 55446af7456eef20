// A Matrix client with Element's own code (matrix-js-sdk: its crypto is the Rust one, as wasm), driven over standard input: one JSON
// command a line, and one JSON answer a line.
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { createHash } from "node:crypto";
import { pathToFileURL } from "node:url";

// The SDK needs it, and Node.js 20 lacks it: without it its sync stops without a word.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((a, b) => ([resolve, reject] = [a, b]));
  return { promise, resolve, reject };
};

const folder = (process.env.NODE_PATH ?? "").split(":").find((one) => existsSync(one + "/matrix-js-sdk"));
const load = (file) => import(pathToFileURL(`${folder}/matrix-js-sdk/lib/${file}`).href);
const { createClient, MatrixEventEvent } = await load("index.js");
const { OnlySignedDevicesIsolationMode, AllDevicesIsolationMode, EventShieldColour, EventShieldReason, decodeRecoveryKey } = await load("crypto-api/index.js");
const { logger } = await load("logger.js");
for (const level of ["trace", "debug", "info", "log", "warn", "error"]) logger[level] = (...words) => process.stderr.write(words.join(" ") + "\n");
for (const level of ["debug", "info", "log", "warn", "error"]) console[level] = (...words) => process.stderr.write(words.join(" ") + "\n");

let client, recovery, access;

const nameOf = (all, value) => (value === null || value === undefined ? "" : Object.keys(all).find((key) => all[key] === value));

async function shown(event) {
  if (event.isBeingDecrypted()) await event.getDecryptionPromise();
  const about = await client.getCrypto().getEncryptionInfoForEvent(event);
  return {
    id: event.getId(), type: event.getType(), wire: event.getWireType(), sender: event.getSender(), content: event.getContent(), clear: event.getWireContent(),
    failure: event.isDecryptionFailure() ? event.decryptionFailureReason : "",
    shield: about ? nameOf(EventShieldColour, about.shieldColour) : "", reason: about ? nameOf(EventShieldReason, about.shieldReason) : "",
  };
}

const find = (room, id) => client.getRoom(room)?.findEventById(id);

const commands = {
  async start({ homeserver, user, device, token, signedOnly }) {
    access = { homeserver, token };
    client = createClient({
      baseUrl: homeserver, userId: user, deviceId: device, accessToken: token,
      cryptoCallbacks: { getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], recovery] },
    });
    await client.initRustCrypto({ useIndexedDB: false });
    client.getCrypto().setDeviceIsolationMode(signedOnly ? new OnlySignedDevicesIsolationMode() : new AllDevicesIsolationMode(false));
    await client.startClient({ initialSyncLimit: 1000 });
    await new Promise((resolve) => {
      const look = (state) => state === "PREPARED" && (client.off("sync", look), resolve());
      client.on("sync", look);
    });
    return {};
  },
  // makes the keys of a fresh account, as Element does at its first login, and gives their recovery key
  async identity({ user, password }) {
    const crypto = client.getCrypto();
    await crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: async (make) => {
        try {
          return await make(null);
        } catch (refused) {
          return await make({ type: "m.login.password", identifier: { type: "m.id.user", user }, password, session: refused.data?.session });
        }
      },
    });
    const made = await crypto.createRecoveryKeyFromPassphrase();
    recovery = made.privateKey;
    await crypto.bootstrapSecretStorage({ createSecretStorageKey: async () => made });
    return { key: made.encodedPrivateKey };
  },
  // takes the keys of an account that has some, and has this device be signed by them
  async recover({ key }) {
    recovery = decodeRecoveryKey(key);
    await client.getCrypto().bootstrapCrossSigning({});
    return {};
  },
  async join({ room }) {
    await client.joinRoom(room);
    return {};
  },
  async send({ room, text }) {
    const { event_id } = await client.sendTextMessage(room, text);
    return { id: event_id };
  },
  // waits until an event is there, and decrypted; a failure is told once it has lasted for a while
  async read({ room, event, seconds }) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const found = find(room, event);
      if (found) {
        const is = await shown(found);
        if (!is.failure || Date.now() > end) return is;
      } else if (Date.now() > end) {
        throw new Error(`${event} is not shown in ${room}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
  async devices({ user }) {
    const all = await client.getCrypto().getUserDeviceInfo([user], true);
    const list = [];
    for (const [device] of all.get(user) ?? []) {
      const status = await client.getCrypto().getDeviceVerificationStatus(user, device);
      list.push({ device, signed: Boolean(status?.signedByOwner) });
    }
    return { devices: list };
  },
  // fetches and decrypts an attachment (specification, "Sending encrypted attachments") with Web Crypto
  async fetch({ file }) {
    const address = `${access.homeserver}/_matrix/client/v1/media/download/${file.url.slice("mxc://".length)}`;
    const answer = await fetch(address, { headers: { Authorization: `Bearer ${access.token}` } });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    const cipher = Buffer.from(await answer.arrayBuffer());
    const hash = createHash("sha256").update(cipher).digest("base64").replace(/=+$/, "");
    if (hash !== file.hashes.sha256) throw new Error("the hash is another one");
    const key = await crypto.subtle.importKey("jwk", file.key, { name: "AES-CTR" }, false, ["decrypt"]);
    const counter = Buffer.from(file.iv, "base64");
    const plain = Buffer.from(await crypto.subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, key, cipher));
    return { mime: answer.headers.get("Content-Type"), sent: answer.headers.get("Content-Disposition") ?? "", bytes: plain.toString("base64") };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...args } = JSON.parse(line);
  let answer;
  try {
    answer = await commands[command](args);
  } catch (failed) {
    answer = { error: String(failed?.stack ?? failed) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
