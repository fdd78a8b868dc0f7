// A server of automerge-repo as its own sync server sets it up: websocket and nodefs adapters, no
// announcing of documents to clients that did not ask.
//
//   node server.mjs STORAGE_DIR CERTIFICATE_PEM KEY_PEM
//
// Says `listening HOST:PORT` on a free port and runs until it is killed.
import { readFileSync } from "node:fs"
import { createServer } from "node:https"
import { Repo } from "@automerge/automerge-repo"
import { WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"
import { WebSocketServer } from "ws"

// Its default of 5 s drops a client that a busy machine kept from answering one ping.
const KEEP_ALIVE_MS = 60_000

const [directory, certificate, key] = process.argv.slice(2)
if (!key) throw new Error("usage: server.mjs STORAGE_DIR CERTIFICATE_PEM KEY_PEM")
const https = createServer({ cert: readFileSync(certificate), key: readFileSync(key) })
const sockets = new WebSocketServer({ server: https })
const repo = new Repo({
  network: [new WebSocketServerAdapter(sockets, KEEP_ALIVE_MS)],
  storage: new NodeFSStorageAdapter(directory),
  sharePolicy: async () => false,
})
// Only a repo that has read its storage id tells it to clients.
await repo.storageId()
https.listen(0, "127.0.0.1", () => {
  const { address, port } = https.address()
  console.log(`listening ${address}:${port}`)
})
