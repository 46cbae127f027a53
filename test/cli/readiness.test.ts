import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { authenticated, createGuard } from '@countersign/core'
import { countersign, createServer as createGuardedServer } from '@countersign/express'
import { startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'
import express from 'express'
import { type ReadinessNote, ReadinessTable } from '../../packages/core/src/migration/readiness-table.ts'
import { createFolder } from './create-folder.ts'
import { runCommand } from './run-command.ts'
import { runInProcess } from './run-in-process.ts'

const day = 86_400_000
const coreApi: ReadinessNote = {
  route: 'GET /invoices',
  caller: 'spiffe://saas.example/ns/production/sa/core-api',
  credential: 'x509-svid',
  strict: 'allow',
}
const partner: ReadinessNote = { ...coreApi, caller: 'partner-42', credential: 'anonymous', strict: 'deny' }

interface Seen {
  readonly notes?: readonly ReadinessNote[]
  readonly days?: number
  readonly age?: number
}

function createReport({ notes = [coreApi], days = 30, age = 0 }: Seen = {}): string {
  const at = Date.now() - age
  const table = new ReadinessTable(at - days * day, Date.now() + 30 * day)
  for (const note of notes) table.note(note, at)
  return JSON.stringify(table.report(at))
}

function run(input: string, ...options: readonly string[]): ReturnType<typeof runInProcess> {
  return runInProcess(['readiness', '-', ...options], {}, undefined, input)
}

describe('the verdict', () => {
  test('is ready with exit code 0', async () => {
    const { exitCode, output, errors } = await run(createReport())

    assert.equal(errors, '')
    assert.equal(exitCode, 0)
    assert.match(output, /^ready\n {2}covers +30 d, from .*Z to .*Z\n {2}deadline +.*Z, in 30 d\n/)
    assert.match(
      output,
      /^allow +GET \/invoices +spiffe:\/\/saas\.example\/ns\/production\/sa\/core-api +x509-svid +1 /m,
    )
    assert.doesNotMatch(output, /short/)
  })

  test('counts the callers that are not ready, with exit code 1', async () => {
    const again = { ...partner, route: 'GET /refunds' }
    const { exitCode, output } = await run(
      createReport({ notes: [coreApi, partner, again, { ...partner, caller: 'b' }] }),
    )

    assert.equal(exitCode, 1)
    assert.match(output, /^not ready: 2 callers\n/)
    assert.match(output, /^deny +GET \/refunds +partner-42 +anonymous +1 /m)
  })

  test('warns that the report covers a short period', async () => {
    const { exitCode, output } = await run(createReport({ days: 1 / 24 }))

    assert.equal(exitCode, 0)
    assert.match(output, /^ready\n {2}covers +1 h, .*\n +This is short/)
  })

  for (const [what, seen, options, reason] of [
    ['the period is shorter than asked for', { days: 6 }, ['--min-period', '7d'], /the report covers only 6 d/],
    ['the report is too old', { age: 25 * 3_600_000 }, [], /1 d 1 h old/],
    ['the report is older than asked for', { age: 120_000 }, ['--max-age', '1m'], /2 m.* old/],
    ['no request was seen', { notes: [] }, [], /no request/],
  ] as const) {
    test(`is not ready if ${what}`, async () => {
      const { exitCode, output } = await run(createReport(seen), ...options)

      assert.equal(exitCode, 1)
      assert.match(output, /^not ready: /)
      assert.match(output, reason)
    })
  }

  for (const [what, change] of Object.entries({
    'a caller is denied': (report: string) => report.replace('"isReady":false', '"isReady":true'),
    'unlisted callers are denied': () => createReport().replace('"requests":0,"denied":0', '"requests":5,"denied":2'),
    'the service says so': () => createReport().replace('"isReady":true', '"isReady":false'),
  })) {
    test(`is not ready if ${what}, whatever the rest of the report says`, async () => {
      const { exitCode, output } = await run(change(createReport({ notes: [partner] })))

      assert.equal(exitCode, 1)
      assert.match(output, /^not ready: /)
    })
  }

  test('is one line of JSON with the report', async () => {
    const report = createReport({ notes: [partner] })
    const { exitCode, output } = await run(report, '--format', 'json')

    assert.equal(exitCode, 1)
    assert.deepEqual(JSON.parse(output), {
      event: 'readiness',
      isReady: false,
      reasons: ['1 caller'],
      report: parse(report),
    })
    assert.equal(output.split('\n').length, 2)
  })

  test('cannot be forged by the name of a caller', async () => {
    const report = createReport({ notes: [partner] }).replace('partner-42', '\\nready\\u001b[2J')
    const { output } = await run(report)

    assert.doesNotMatch(output, /^ready/m)
    assert.ok(!output.includes('\u001b'))
  })
})

describe('a log', () => {
  test('is judged by its last report, even if that is a property', async () => {
    const lines = [
      'starting "readiness"',
      createReport({ notes: [partner] }),
      JSON.stringify({ level: 30, event: parse(createReport()), msg: 'report' }),
      '{"level":30,"msg":"served \\"type\\":\\"readiness\\""}',
      '',
    ]
    assert.equal((await run(lines.join('\n'))).exitCode, 0)
    assert.equal((await run(lines.toReversed().join('\n'))).exitCode, 1)
  })

  test('may be a report on several lines', async () => {
    assert.equal((await run(JSON.stringify(parse(createReport()), undefined, 2))).exitCode, 0)
  })

  test('is read from a file', async (t) => {
    const file = join(createFolder(t), 'billing.log')
    writeFileSync(file, `first\n${createReport()}\n`)

    assert.equal((await runInProcess(['readiness', file])).exitCode, 0)
  })

  for (const [what, input] of Object.entries({
    'is empty': '',
    'has no report': '{"type":"denial"}\n{"msg":"readiness"}\n["readiness"]\nnull "readiness"\n',
    'ends with a cut report': `${createReport()}\n${createReport().slice(0, -20)}`,
    'ends with a report of another form': `${createReport()}\n${createReport().replace('"strict":"allow"', '"strict":"maybe"')}`,
    'has a report without entries': createReport().replace('"entries"', '"entires"'),
  })) {
    test(`that ${what} is not ready`, async () => {
      const { exitCode, output, errors } = await run(input)

      assert.equal(exitCode, 1)
      assert.equal(output, '')
      assert.match(errors, /^countersign: found .*readiness report.*\n$/)
    })
  }

  test('that does not exist is not ready', async () => {
    const { exitCode, errors } = await runInProcess(['readiness', '/nowhere/billing.log'])

    assert.equal(exitCode, 1)
    assert.match(errors, /^countersign: .*ENOENT.*\n$/)
  })

  test('may come from a pipe of a separate process', async (t) => {
    const file = join(createFolder(t), 'billing.log')
    writeFileSync(file, createReport({ notes: [partner] }))

    assert.equal((await runCommand(['readiness', file])).exitCode, 1)
  })
})

describe('a URL', () => {
  test('returns the report', async (t) => {
    const url = await serve(t, (_request, response) => void response.end(createReport()))

    const { exitCode, errors } = await runInProcess(['readiness', url])
    assert.equal(errors, '')
    assert.equal(exitCode, 0)
  })

  for (const [what, listener, expected] of [
    ['another status', (_request, response) => void response.writeHead(403).end(createReport()), /status 403/],
    ['a redirect', (_request, response) => void response.writeHead(302, { location: '/' }).end(), /redirect/],
    ['a closed connection', (request) => void request.socket.destroy(), /http:\/\/127/],
    ['too much', (_request, response) => void response.end(Buffer.alloc(9 * 1024 * 1024, ' ')), /8 MiB/],
    ['something else', (_request, response) => void response.end('<html>'), /no readiness report/],
  ] satisfies readonly (readonly [string, RequestListener, RegExp])[]) {
    test(`that answers with ${what} is not ready`, async (t) => {
      const { exitCode, output, errors } = await runInProcess(['readiness', await serve(t, listener)])

      assert.equal(exitCode, 1)
      assert.equal(output, '')
      assert.match(errors, /^countersign: .*\n$/)
      assert.match(errors, expected)
    })
  }

  test('of a guarded service is called over mTLS, with the SVID of the agent', async (t) => {
    const server = 'spiffe://dev.example/ns/production/sa/billing'
    await using agent = await startAgent({ trustDomain: 'dev.example', entries: [{ spiffeId: server }] })
    await using source = await workloadApiSource({ endpoint: agent.endpoint })
    const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
    const app = express()
    app.use(countersign(guard))
    app.get('/readiness', (_request, response) => void response.end(createReport()))
    const guarded = createGuardedServer(guard, app).listen(0, '127.0.0.1')
    t.after(() => guarded.close())
    await once(guarded, 'listening')
    const url = `https://127.0.0.1:${portOf(guarded)}/readiness`
    const environment = { SPIFFE_ENDPOINT_SOCKET: agent.endpoint }

    assert.equal((await runInProcess(['readiness', url, '--server', server, '--socket', agent.endpoint])).exitCode, 0)
    const wrong = await runInProcess(['readiness', url, '--server', `${server}-2`], environment)
    assert.equal(wrong.exitCode, 1)
    assert.match(wrong.errors, /billing-2|expected/)
    assert.equal((await runInProcess(['readiness', url])).exitCode, 1)
  })
})

for (const args of [
  [],
  ['-', 'more'],
  ['-', '--format', 'yaml'],
  ['-', '--max-age', '1'],
  ['-', '--min-period', 'week'],
  ['-', '--server', 'spiffe://saas.example/billing'],
  ['-', '--socket', 'unix:///tmp/agent.sock'],
  ['http://billing/readiness', '--server', 'spiffe://saas.example/billing'],
  ['https://billing/readiness', '--server', 'billing'],
  ['https://', '--format', 'json'],
  ['https://billing/readiness', '--server', 'spiffe://saas.example/billing'],
]) {
  test(`'countersign readiness ${args.join(' ')}' prints one line and exits with 2`, async () => {
    const { exitCode, output, errors } = await runInProcess(['readiness', ...args])

    assert.equal(exitCode, 2)
    assert.equal(output, '')
    assert.match(errors, /^countersign: .+\n$/)
  })
}

function parse(json: string): unknown {
  return JSON.parse(json)
}

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${portOf(server)}/readiness`
}

function portOf(server: { address(): unknown }): number {
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null && 'port' in address && typeof address.port === 'number')
  return address.port
}
