import assert from 'node:assert/strict'
import { get } from 'node:https'
import test, { after, before } from 'node:test'
import { createFetch } from '@countersign/client'
import { CallError, createGuard, permitAll } from '@countersign/core'
import { createAuthority, serve } from '@countersign/testkit'
import { fetch, Agent as UndiciAgent } from 'undici'
import { readPage } from './page.ts'
import { read } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/troubleshooting.md')

let bench: Workbench
before(async () => {
  bench = await createWorkbench(page)
})
after(() => bench.close())

testBlocks(page, () => bench)

test('callers with a missing or refused certificate see what the page says', async () => {
  await using scene = await createScene()

  for (const caller of [{}, await identify(scene.stranger)]) {
    const seen = await callAll(scene.port, { ...caller, ca: scene.authority.bundlePem })
    checkMessages('The connection closes without a response', seen)
  }
})

test('callers with an older version of TLS see what the page says', async () => {
  await using scene = await createScene()
  const caller = await identify(scene.authority)

  const seen = await callAll(scene.port, { ...caller, ca: scene.authority.bundlePem, maxVersion: 'TLSv1.2' })
  checkMessages('Alert: protocol version', seen)
})

test('callers of a service without a certificate see what the page says', async () => {
  await using scene = await createScene()
  const caller = await identify(scene.authority)
  scene.source.withdraw()

  const seen = await callAll(scene.port, { ...caller, ca: scene.authority.bundlePem })
  checkMessages('Alert: handshake failure', seen)
})

test("callers that do not accept the service's certificate see what the page says", async () => {
  await using scene = await createScene()
  const caller = await identify(scene.authority)

  const otherBundle = await callAll(scene.port, { ...caller, ca: scene.stranger.bundlePem })
  const hostNames = await callAll(scene.port, { ...caller, ca: scene.authority.bundlePem }, true)
  checkMessages('The caller does not accept the service', [...otherBundle, ...hostNames])
})

test('our own client reports a refused certificate with the code on the page', async () => {
  await using scene = await createScene()
  const unknown = await scene.stranger.source('spiffe://partner.example/ns/production/sa/core-api', {
    federated: [scene.authority],
  })
  await using call = createFetch(unknown, { servers: [`${production}/billing`] })

  const error: unknown = await call(`https://127.0.0.1:${scene.port}/`).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const [, row = ''] =
    readMessages('The connection closes without a response').find(([who = '']) => who.includes('createFetch')) ?? []
  assert.ok(!(error instanceof CallError))
  const code = String(read(read(error, 'cause'), 'code'))
  assert.ok(row.includes(`\`${code}\``), `found ${code}`)
})

async function createScene() {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(`${production}/billing`)
  const guard = createGuard({ source, rules: [{ path: '/**', allow: permitAll() }], log: () => undefined })
  const running = await serve(guard, (_request, response) => void response.end())
  return {
    authority,
    stranger: await createAuthority('partner.example'),
    source,
    port: running.port,
    [Symbol.asyncDispose]: () => running.close(),
  }
}

async function identify(authority: Awaited<ReturnType<typeof createAuthority>>): Promise<CallerOptions> {
  const { keyPem, certificatePem } = await authority.issue(
    `spiffe://${authority.trustDomain}/ns/production/sa/core-api`,
  )
  return { key: keyPem, cert: certificatePem }
}

interface CallerOptions {
  readonly key?: string
  readonly cert?: string
  readonly ca?: string
  readonly maxVersion?: 'TLSv1.2'
}

interface Seen {
  readonly by: 'node:https' | 'undici'
  readonly code: string
  readonly message: string
}

async function callAll(port: number, options: CallerOptions, comparesHosts = false): Promise<readonly Seen[]> {
  const tls = comparesHosts ? options : { ...options, checkServerIdentity: () => undefined }
  const url = `https://127.0.0.1:${port}/`
  const byHttps = await new Promise<Error>((resolve, reject) => {
    get(url, { ...tls, agent: false }, () => reject(new Error('the call was answered'))).on('error', resolve)
  })
  const dispatcher = new UndiciAgent({ connect: tls })
  const byFetch: unknown = await fetch(url, { dispatcher }).then(
    () => assert.fail('the call was answered'),
    (error: unknown) => read(error, 'cause'),
  )
  await dispatcher.close()
  return [describe('node:https', byHttps), describe('undici', byFetch)]
}

function describe(by: Seen['by'], error: unknown): Seen {
  return { by, code: String(read(error, 'code')), message: String(read(error, 'message')) }
}

/** Each caller's code is in the row for it; where the row also has a text, a part of the message is that text. */
function checkMessages(heading: string, seen: readonly Seen[]): void {
  const rows = readMessages(heading)
  for (const { by, code, message } of seen) {
    const cells = rows.filter(([who = '']) => who.includes(by === 'undici' && !who.includes('undici') ? '`fetch`' : by))
    const shown = cells.map(([, cell = '']) => cell).join(' ')
    assert.ok(shown.includes(`\`${code}\``), `${by}: found ${code}: ${message}; the page shows ${shown}`)
  }
}

function readMessages(heading: string): readonly (readonly string[])[] {
  const start = page.text.indexOf(`## ${heading}\n`)
  assert.notEqual(start, -1, heading)
  return readTable(page.text.slice(start), '| caller | message |')
}
