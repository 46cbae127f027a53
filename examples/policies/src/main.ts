import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { callContinuously, createOwnAuthority, serviceId } from './callers.ts'
import { Revisions, shorten } from './revisions.ts'
import { startService } from './service.ts'

const documents = fileURLToPath(new URL('../policies', import.meta.url))
const closedReports = `
  - name: reports are closed for maintenance
    action: DENY
    to:
      - paths: [/internal/analytics/**]
`

const folder = await mkdtemp(join(tmpdir(), 'countersign-'))
try {
  process.exitCode = await run()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function run(): Promise<number> {
  await cp(documents, folder, { recursive: true })
  const authority = await createOwnAuthority()
  const revisions = new Revisions({ areReportsClosed: false })
  const source = await authority.source(serviceId, { svid: await authority.issue(serviceId, { ttlSeconds: 3600 }) })
  const service = await startService(folder, { source, log: revisions.note })
  console.log('Three callers read three paths continuously while documents are replaced.\n')
  const isOver = new AbortController()
  const calling = callContinuously(authority, service.url, isOver.signal)
  await setTimeout(500)

  const platform = await readFile(join(folder, 'platform.yaml'), 'utf8')
  console.log('The platform team adds a DENY policy.')
  await revisions.change({ areReportsClosed: true }, 'loaded', () => replace('platform.yaml', platform + closedReports))
  await setTimeout(500)
  console.log('A broken document is deployed.')
  const broken = platform.replace('notNamespaces', 'notNamespace')
  await revisions.change({ areReportsClosed: true }, 'refused', () => replace('platform.yaml', broken))
  await setTimeout(500)
  console.log('The first document is deployed again.')
  await revisions.change({ areReportsClosed: false }, 'loaded', () => replace('platform.yaml', platform))
  await setTimeout(500)

  isOver.abort()
  const { answers, failures } = await calling
  await service.close()
  return report(revisions, answers, failures)
}

// Written under another name and then renamed, so that no half of a document is read.
async function replace(name: string, text: string): Promise<void> {
  await writeFile(join(folder, `.${name}`), text)
  await rename(join(folder, `.${name}`), join(folder, name))
}

function report({ counts }: Revisions, answers: number, failures: readonly string[]): number {
  console.log('\nrevision  requests  allowed  denied')
  for (const { revision, allowed, denied } of counts) {
    const cells = [String(allowed + denied).padStart(8), String(allowed).padStart(7), String(denied).padStart(6)]
    console.log([shorten(revision).padEnd(8), ...cells].join('  '))
  }
  const wrong = [...failures, ...counts.flatMap((count) => count.wrong)]
  for (const line of wrong) console.log(`FAILED: ${line}`)
  const decided = counts.reduce((sum, { allowed, denied }) => sum + allowed + denied, 0)
  const isGood = wrong.length === 0 && counts.length === 2 && decided === answers
  const verdict = isGood ? 'as expected' : 'NOT AS EXPECTED'
  console.log(
    `\n${verdict}: ${answers} requests, each decided by one revision; ${wrong.length} failed for another reason`,
  )
  return isGood ? 0 : 1
}
