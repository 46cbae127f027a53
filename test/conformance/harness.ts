import { createServer } from 'node:net'
import { jwtBundleSource, workloadApiSource } from '@countersign/workload-api'
import { createControl } from './control.ts'
import { listen } from './listen.ts'
import { PeerPort } from './peer-port.ts'

// The program that the SPIFFE Conformance Test Suite starts: it connects to the agent of SPIFFE_ENDPOINT_SOCKET,
// presents the received SVIDs to peers, verifies tokens with the received JWT bundles, and exits on SIGTERM. It uses only
// the public API.

// First, because nothing may be awaited between the source and its listeners: they would miss its first SVID.
const jwtBundles = await jwtBundleSource({ startWithoutBundles: true, maxRetryMs: 1000 })
// The suite waits ten seconds for READY, even if the agent starts late.
const source = await workloadApiSource({ startWithoutSvid: true, maxRetryMs: 1000 })
const peers = new PeerPort(source)
const hasSvid = new Promise<void>((resolve) => {
  source.onUpdate(() => resolve())
})
const front = createServer((socket) => peers.take(socket))
const control = createControl(source, jwtBundles)

const x509Port = await listen(front)
const controlPort = await listen(control)
say('SPIFFE_HARNESS_VERSION=1', `SPIFFE_X509_PORT=${x509Port}`, `SPIFFE_CONTROL_PORT=${controlPort}`)

source.onNotice(({ outcome, detail }) => void process.stderr.write(`${outcome}: ${detail}\n`))
jwtBundles.onNotice(({ outcome, detail }) => void process.stderr.write(`${outcome}: ${detail}\n`))
void hasSvid.then(() => say('READY'))

process.once('SIGTERM', () => {
  front.close()
  control.close()
  control.closeAllConnections()
  peers.close()
  void source.close()
  void jwtBundles.close()
})

function say(...lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''))
}
