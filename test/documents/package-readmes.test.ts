import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { createGuard, hasAuthority } from '@countersign/core'
import { type Running, serve } from '@countersign/testkit'
import { type Agent, startAgent } from '@countersign/testkit/workload-api'
import { startCommand } from '../cli/run-command.ts'
import { createFolder } from '../cli/create-folder.ts'
import { readPrinted } from './blocks.ts'
import { type Page, readPage, root } from './page.ts'
import { isSource, read } from './read.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'
import { admitNow } from '../support/admit-now.ts'

// Those of spiffe and authorization have tests of their own.
const names = ['core', 'fastify', 'express', 'client', 'workload-api', 'policy', 'testkit']
const pages = names.map((name) => readPage(`packages/${name}/README.md`))
const page: Page = {
  name: 'packages/*/README.md',
  text: pages.map(({ text }) => text).join('\n'),
  blocks: pages.flatMap(({ blocks }) => blocks),
  runnable: new Map(pages.flatMap(({ runnable }) => [...runnable])),
}

let bench: Workbench
let agent: Agent
let ledger: Running
before(async () => {
  bench = await createWorkbench(page)
  agent = await startAgent({ authority: bench.authority, entries: [{ spiffeId: `${production}/billing` }] })
  process.env['SPIFFE_ENDPOINT_SOCKET'] = agent.endpoint
  const source = await bench.authority.source(`${production}/ledger`)
  const rules = [{ path: '/entries', allow: hasAuthority('SERVICE_billing') }]
  const guard = createGuard({ source, rules, log: () => undefined })
  ledger = await serve(guard, (request, response) => {
    response.writeHead('name' in admitNow(guard, request) ? 200 : 403).end()
  })
})
after(async () => {
  delete process.env['SPIFFE_ENDPOINT_SOCKET']
  await ledger.close()
  await agent.close()
  await bench.close()
})

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['testkit.ts', 'load.ts'])

for (const name of readdirSync(join(root, 'packages'))) {
  test(`the README of ${name} starts with a sentence, the install command and an example`, () => {
    const text = readFileSync(join(root, `packages/${name}/README.md`), 'utf8')
    const [, sentence = '', install = '', example = ''] =
      /^# @countersign\/[\w-]+\n\n([^]+?)\n\n```sh\n([^]+?)```\n([^]*)/.exec(text) ?? []

    assert.match(sentence, /^[A-Z`][^]*[.]$/)
    assert.equal(sentence.split('\n\n').length, 1)
    assert.match(install, new RegExp(`^npm install .*@countersign/${name}\\b`))
    // The command line needs no program: its example is the command.
    assert.match(name === 'cli' ? install : example, name === 'cli' ? /\nnpx countersign / : /^[^#]*?```ts run\n/)
  })
}

for (const [file, variable] of [
  ['core.ts', 'server'],
  ['fastify.ts', 'app'],
  ['express.ts', 'server'],
] as const) {
  test(`${file} accepts only the service that its rule names`, async () => {
    const running = await bench.start(file, variable)
    const path = file === 'core.ts' ? '/internal/billing/invoices' : '/invoices'
    const ask = async (service: string): Promise<Response> =>
      running.as(await bench.authority.issue(`${production}/${service}`)).fetch(path)

    const answer = await ask('core-api')
    assert.equal(answer.status, 200)
    const body = file === 'core.ts' ? [] : { askedBy: `${production}/core-api` }
    assert.deepEqual(await answer.json(), body)
    assert.equal((await ask('mailer')).status, 403)
    await assert.rejects(running.as(null).fetch(path))
  })
}

test('client.ts calls the listed server', async () => {
  const block = page.runnable.get('client.ts')
  assert.ok(block !== undefined && block.code.includes('https://ledger:8443'))
  bench.write('client-here.ts', block.code.replace('https://ledger:8443', ledger.url))

  assert.deepEqual(await bench.capture('client-here.ts'), readPrinted(block))
})

test('workload-api.ts prints the SPIFFE ID that the agent delivers', async () => {
  const block = page.runnable.get('workload-api.ts')
  assert.ok(block !== undefined)

  assert.deepEqual(await bench.capture('workload-api.ts'), readPrinted(block))
  const source = read(await bench.load('workload-api.ts'), 'source')
  assert.ok(isSource(source))
  await source.close()
})

test('the command in the README of cli prints the address of its socket and an SVID', async (context) => {
  const text = readFileSync(join(root, 'packages/cli/README.md'), 'utf8')
  const [, command = ''] = /^npx countersign (.+)$/m.exec(text) ?? []
  await using dev = startCommand(command.split(' '), { XDG_RUNTIME_DIR: createFolder(context) })

  await dev.waitFor(
    /^export SPIFFE_ENDPOINT_SOCKET=unix:.+\n\S+ {2}issued {3}spiffe:\/\/dev\.example\/ns\/production\/sa\/core-api /,
  )
  assert.equal(await dev.stop(), 0)
})
