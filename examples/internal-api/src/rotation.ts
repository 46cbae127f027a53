import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileSource } from '@countersign/core'
import { type Authorities, issueFor, issueService } from './callers.ts'
import { Client } from './client.ts'
import { type Framework, type Service, startServices } from './services.ts'

/** What one service did while its files were replaced under continuous calls. */
export interface RotationResult {
  readonly framework: Framework
  readonly calls: number
  readonly failures: number
  /** Of the service's certificates, in the order in which new connections saw them. */
  readonly serialNumbers: readonly string[]
  /** How often the files were replaced. */
  readonly rotations: number
}

/** Whether no call failed and every certificate that was written was served. */
export function isSmooth({ calls, failures, serialNumbers, rotations }: RotationResult): boolean {
  return calls > 0 && failures === 0 && serialNumbers.length === rotations + 1
}

/** Starts both services on files, replaces these files a few times while callers never stop, and counts. */
export async function rotateUnderCalls(authorities: Authorities): Promise<readonly RotationResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-'))
  try {
    await writeIdentity(folder, authorities)
    await writeFile(join(folder, 'bundle.pem'), authorities.ours.bundlePem)
    await using source = await fileSource({
      key: join(folder, 'svid.key'),
      cert: join(folder, 'svid.pem'),
      bundles: { 'saas.example': join(folder, 'bundle.pem') },
    })
    const services = await startServices({ source, trustDomains: ['saas.example'] })
    const isOver = new AbortController()
    const calling = services.map((service) => callContinuously(service, authorities, isOver.signal))
    for (let count = 0; count < rotations; count += 1) {
      await setTimeout(400)
      const served = new Promise<void>((resolve) => void source.onUpdate(() => resolve()))
      await writeIdentity(folder, authorities)
      await served
    }
    await setTimeout(400)
    isOver.abort()
    const results = await Promise.all(calling)
    await Promise.all(services.map((service) => service.close()))
    return results
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const rotations = 4

// Each file is written beside its place and then renamed, so that no half of one is ever read. Between the two renames
// key and certificate do not belong together: the source waits for the second.
async function writeIdentity(folder: string, authorities: Authorities): Promise<void> {
  const { keyPem, certificatePem } = await issueService(authorities)
  const files = { 'svid.key': keyPem, 'svid.pem': certificatePem }
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, `${file}.new`), text, { mode: 0o600 })
  for (const file of Object.keys(files)) await rename(join(folder, `${file}.new`), join(folder, file))
}

async function callContinuously(
  { framework, port }: Service,
  authorities: Authorities,
  isOver: AbortSignal,
): Promise<RotationResult> {
  const svid = await issueFor('core-api', authorities)
  const options = { port, svid, ca: authorities.ours.bundlePem }
  const kept = new Client(options)
  const serialNumbers = new Set<string>()
  let calls = 0
  let failures = 0
  const call = async (client: Client): Promise<void> => {
    calls += 1
    const answer = await client.read('/internal/billing/invoices').catch(() => undefined)
    if (answer?.status !== 200) failures += 1
    else serialNumbers.add(answer.serialNumber)
  }
  while (!isOver.aborted) {
    // On the connection that outlives every rotation, and on a new one.
    for (let count = 0; count < 10; count += 1) await call(kept)
    const fresh = new Client(options)
    await call(fresh)
    fresh.close()
    await setTimeout(20)
  }
  kept.close()
  return { framework, calls, failures, serialNumbers: [...serialNumbers], rotations }
}
