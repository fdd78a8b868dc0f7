// Clients of automerge-repo, driven by `bench peers`: one job as JSON on stdin, one answer as JSON
// on stdout. The certificate to trust comes in NODE_EXTRA_CA_CERTS.
//
//   { "do": "push", url, directory, batches: [[record]] }     -> { urls, seconds }
//   { "do": "pull", url, directory, urls, records }           -> { pulled, seconds }
//   { "do": "reconnect", url, directory, documents: [[record]], own: [record], others: [record] }
//                                                -> { own: [[up, down]], others: [[up, down]] }
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { ImmutableString, Repo } from "@automerge/automerge-repo"
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"

// Its default of 5 s opens a second socket while a busy machine still opens the first.
const RETRY_MS = 120_000
// Three times what its writes to storage may wait. Sync states of all documents share one timer
// of which the last one wins, so documents that must keep theirs come one by one.
const SAVED_MS = 300
const LOOK_MS = 5

/** Every text is a scalar: a plain string would be a list of characters that merges. */
function scalars(value) {
  if (typeof value === "string") return new ImmutableString(value)
  if (Array.isArray(value)) return value.map(scalars)
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, scalars(inner)]))
}

function offline(directory) {
  return new Repo({ network: [], storage: new NodeFSStorageAdapter(directory) })
}

function connect(repo, url) {
  const adapter = new WebSocketClientAdapter(url, RETRY_MS)
  repo.networkSubsystem.addNetworkAdapter(adapter)
  return adapter
}

/** The server, once it has said who it is. The adapter itself is "ready" after a second without. */
async function met(repo) {
  for (;;) {
    const server = Object.values(repo.peerMetadataByPeerId).find(peer => peer.storageId)
    if (server) return server
    await sleep(LOOK_MS)
  }
}

/** A change for each record, as it was saved. */
function save(handle, records) {
  for (const record of records)
    handle.change(document => {
      document.records[record.id] = scalars(record)
    })
}

function create(repo, records) {
  const handle = repo.create({ records: {} })
  save(handle, records)
  return handle
}

function count(handle) {
  return Object.keys(handle.doc().records).length
}

function since(began) {
  return (performance.now() - began) / 1_000
}

/** Until the server says that it has what is here: in its memory, its disk comes later. */
async function acknowledged(repo, handles) {
  const server = await met(repo)
  for (;;) {
    const isThere = handle => {
      const heads = handle.getSyncInfo(server.storageId)?.lastHeads
      return heads && [...heads].sort().join() === [...handle.heads()].sort().join()
    }
    if (handles.every(isThere)) return
    await sleep(LOOK_MS)
  }
}

async function push({ url, directory, batches }) {
  // before they connect, so that as much of the machine as can be is the server's
  const clients = batches.map((records, nth) => {
    const repo = offline(join(directory, `push-${nth}`))
    return { repo, handle: create(repo, records) }
  })
  await Promise.all(clients.map(({ repo }) => repo.flush()))
  const began = performance.now()
  for (const { repo } of clients) connect(repo, url)
  await Promise.all(clients.map(({ repo, handle }) => acknowledged(repo, [handle])))
  const urls = clients.map(({ handle }) => handle.url)
  return { urls, seconds: since(began) }
}

async function pull({ url, directory, urls, records }) {
  const began = performance.now()
  const pulled = urls.map(async (document, nth) => {
    const repo = offline(join(directory, `pull-${nth}`))
    connect(repo, url)
    await met(repo)
    const handle = await repo.find(document)
    while (count(handle) < records) await sleep(LOOK_MS)
    return count(handle)
  })
  const counts = await Promise.all(pulled)
  return { pulled: counts.reduce((sum, some) => sum + some, 0), seconds: since(began) }
}

/** Opens the documents of a directory, as after a start without a network. */
async function opened(directory, urls) {
  const repo = offline(directory)
  const handles = []
  for (const url of urls) handles.push(await repo.find(url))
  return { repo, handles }
}

/** Comes online; bytes up and down above TLS, from the HTTP upgrade on, until all is the same. */
async function visit({ repo, handles }, url, records) {
  const adapter = connect(repo, url)
  const socket = await secured(adapter)
  const held = () => handles.reduce((sum, handle) => sum + count(handle), 0)
  for (;;) {
    await acknowledged(repo, handles)
    if (held() === records) break
    await sleep(LOOK_MS)
  }
  const bytes = [socket.bytesWritten, socket.bytesRead]
  await sleep(SAVED_MS)
  await repo.shutdown()
  return bytes
}

async function secured(adapter) {
  // the socket of the library `ws`, which has no public name there
  while (!adapter.socket?._socket) await sleep(LOOK_MS)
  return adapter.socket._socket
}

async function reconnect({ url, directory, documents, own, others }) {
  const [here, there] = [join(directory, "here"), join(directory, "there")]
  const urls = []
  const first = offline(here)
  connect(first, url)
  for (const records of documents) {
    const handle = create(first, records)
    await acknowledged(first, [handle])
    await sleep(SAVED_MS)
    urls.push(handle.url)
  }
  await first.shutdown()
  const last = urls.length - 1
  let held = documents.flat().length
  const costs = { own: [], others: [] }
  for (const record of own) {
    const client = await opened(here, urls)
    save(client.handles[last], [record])
    await client.repo.flush()
    held += 1
    costs.own.push(await visit(client, url, held))
  }
  for (const record of others) {
    const other = offline(there)
    connect(other, url)
    await met(other)
    const handle = await other.find(urls[last])
    save(handle, [record])
    await acknowledged(other, [handle])
    await sleep(SAVED_MS)
    await other.shutdown()
    held += 1
    costs.others.push(await visit(await opened(here, urls), url, held))
  }
  return costs
}

const job = JSON.parse(await text(process.stdin))
const answer = await { push, pull, reconnect }[job.do](job)
// sockets and timers of the adapters would keep the process
process.stdout.write(JSON.stringify(answer), () => process.exit(0))
