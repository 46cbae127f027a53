import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import test, { after, before } from 'node:test'
import { promisify } from 'node:util'
import type { SourceNotice, X509Material } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { type Agent, type AgentFault, type AgentOptions, startAgent } from '@countersign/testkit/workload-api'
import { workloadApiSource } from '@countersign/workload-api'
import { RunningCommand } from '../cli/run-command.ts'
import type { Block } from './blocks.ts'
import { waitForEvent } from '../support/wait-for-event.ts'
import { readPage, root } from './page.ts'
import { isSource, read } from './read.ts'
import { readTable } from './table.ts'
import { testBlocks, testPrinted } from './test-page.ts'
import { createWorkbench, production, type Workbench } from './workbench.ts'

const page = readPage('docs/development.md')
const compose = page.blocks.find(({ info }) => info === 'yaml')?.code ?? ''
const commands = page.blocks.filter(({ info }) => info === 'sh run countersign')

let bench: Workbench
let dev: RunningCommand
let endpoint: string
before(async () => {
  bench = await createWorkbench(page)
  installCommand(join(bench.folder, 'node_modules/.bin'))
  process.env['XDG_RUNTIME_DIR'] = bench.folder
  dev = start(findCommand('countersign dev'))
  endpoint = (await dev.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=(\S+)$/m))[1] ?? ''
  process.env['SPIFFE_ENDPOINT_SOCKET'] = endpoint
})
after(async () => {
  await dev.stop('SIGTERM')
  delete process.env['SPIFFE_ENDPOINT_SOCKET']
  delete process.env['XDG_RUNTIME_DIR']
  await bench.close()
})

testBlocks(page, () => bench)
testPrinted(page, () => bench, ['agent.test.ts'])

test('runs every command of the page', () => {
  assert.deepEqual(
    commands.map(({ code }) => code.trim().split(' ').slice(0, 3).join(' ')),
    ['countersign dev --trust-domain', 'countersign fetch', 'countersign fetch --watch'],
  )
})

test('dev prints what the page shows', async () => {
  await dev.waitFor(/hint production\/core-api/)
  const lines = dev.output.split('\n').slice(0, 3)

  assert.deepEqual(lines.map(blank), findPrinted('dev').trimEnd().split('\n').map(blank))
})

test('fetch prints what the page shows, then the other SVID', async () => {
  const { stdout } = await run(findCommand('countersign fetch\n').code)
  const [first = '', second = ''] = stdout.split('\n\n')

  assert.deepEqual(first.split('\n').map(blank), findPrinted('fetch').trimEnd().split('\n').map(blank))
  assert.match(second, /hint +production\/core-api/)
})

test('fetch --watch shows an update and keeps running', async () => {
  await using watch = start(findCommand('countersign fetch --watch'))
  await watch.waitFor(/update 1 .*production\/sa\/billing/)

  assert.equal(await watch.stop('SIGTERM'), 0)
})

test('the hint in the environment selects the SVID, and the first is the default', async () => {
  for (const [hint, name] of [
    [undefined, 'billing'],
    ['production/billing', 'billing'],
    ['production/core-api', 'core-api'],
  ] as const) {
    if (hint !== undefined) process.env['SVID_HINT'] = hint
    const source = read(await bench.load(`source.ts?${hint}`), 'source')
    delete process.env['SVID_HINT']
    assert.ok(isSource(source))
    assert.equal(String(source.current.svid.spiffeId), `${production}/${name}`)
    await source.close()
  }
})

test('the agent of the compose file gives each service the SVID that it selects', async () => {
  const socket = '/run/countersign/agent.sock'
  const here = join(bench.folder, 'compose.sock')
  const [, command = ''] = /command:\s*\[([^\]]*countersign, dev[^\]]*)\]/.exec(compose) ?? []
  const [, check = ''] = /test: \[CMD, ([^\]]*)\]/.exec(compose) ?? []
  const addresses = [...compose.matchAll(/SPIFFE_ENDPOINT_SOCKET: (\S+)/g)].map(([, address]) => address)
  const hints = [...compose.matchAll(/SVID_HINT: (\S+)/g)].map(([, hint]) => hint)
  const folders = [...compose.matchAll(/'socket:([^']+)'/g)].map(([, folder]) => folder)
  assert.deepEqual(addresses, [`unix://${socket}`, `unix://${socket}`])
  assert.deepEqual(folders, ['/run/countersign', '/run/countersign', '/run/countersign'])

  await using agent = startLine(readWords(command).replace(socket, here))
  await agent.waitFor(/^export SPIFFE_ENDPOINT_SOCKET=(\S+)$/m)
  const { stdout } = await run(readWords(check).replace(socket, here))
  assert.deepEqual(
    [...stdout.matchAll(/hint +(\S+)/g)].map(([, hint]) => hint),
    hints,
  )
  assert.equal(await agent.stop('SIGTERM'), 0)
})

test('the page lists all faults', () => {
  const listed = readTable(page.text, '| fault |').flatMap(([cell = '']) => readNames(cell))
  const source = readFileSync(join(root, 'packages/testkit/src/workload-api/agent-faults.ts'), 'utf8')
  const [, union = ''] = /type AgentFault =\n((?: {2}\| '\w+'\n)+)/.exec(source) ?? []
  const declared = [...union.matchAll(/'(\w+)'/g)].map(([, name = '']) => name)

  assert.ok(declared.length > 0)
  assert.deepEqual(listed.toSorted(), declared.toSorted())
})

test('each fault affects startup and a running source as the table says', { concurrency: 4 }, async (context) => {
  const rows = readTable(page.text, '| fault |')
  const cases = rows.flatMap(([names = '', atStart = '', running = '']) =>
    readNames(names)
      .filter(isFault)
      .map((name) => ({ name, atStart, running })),
  )
  await Promise.all(
    cases.map(({ name, atStart, running }) =>
      context.test(name, async () => {
        await checkStart(name, atStart)
        await checkRunning(name, running)
      }),
    ),
  )
})

async function checkStart(name: AgentFault, cell: string): Promise<void> {
  const [code] = readNames(cell)
  await using faulty = await startOwn([{ name, ...(name === 'slow' && { delayMs: 60_000 }) }])
  const timeoutMs = code === undefined || cell.endsWith('at once') ? 60_000 : 1500
  const starting = workloadApiSource({ endpoint: faulty.endpoint, timeoutMs, maxRetryMs: 50 })
  if (code === undefined) await (await starting).close()
  else {
    await assert.rejects(
      starting.then((source) => source.close()),
      { code },
    )
  }
}

async function checkRunning(name: AgentFault, cell: string): Promise<void> {
  await using own = await startOwn()
  await using source = await workloadApiSource({ endpoint: own.endpoint, maxRetryMs: 50 })
  const { serialNumber } = source.current.svid
  const notices: SourceNotice[] = []
  source.onNotice((notice) => notices.push(notice))
  const [outcome] = readNames(cell)
  if (outcome !== undefined) {
    const noticed = waitForEvent<SourceNotice>(
      (listener) => source.onNotice(listener),
      () => true,
    )
    await own.fail(name)
    assert.equal((await noticed).outcome, outcome)
    return
  }
  const renewed = waitForEvent<X509Material>(
    (listener) => source.onUpdate(listener),
    ({ svid }) => svid.serialNumber !== serialNumber,
  )
  await own.fail(name, name === 'slow' ? { delayMs: 50 } : {})
  await own.rotate()
  await own.heal()
  await renewed
  assert.deepEqual(notices, [])
}

/** An agent with two SVIDs and a partner, so that each fault affects something. */
async function startOwn(faults: AgentOptions['faults'] = []): Promise<Agent> {
  const authorities = [bench.authority, await createAuthority('partner.example')]
  const entries = [
    { spiffeId: `${production}/billing`, hint: 'internal', federatesWith: ['partner.example'] },
    { spiffeId: `${production}/billing-public`, hint: 'public' },
  ]
  return startAgent({ authorities, entries, faults })
}

function isFault(name: string): name is AgentFault {
  return name !== ''
}

/** Puts the built command on the PATH, like an installation. */
function installCommand(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'countersign')
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'packages/cli/dist/main.js')}' "$@"\n`)
  chmodSync(file, 0o755)
  process.env['PATH'] = `${folder}${delimiter}${process.env['PATH'] ?? ''}`
}

function findCommand(beginning: string): Block {
  const block = commands.find(({ code }) => code.startsWith(beginning))
  assert.ok(block !== undefined, `the page has no command ${beginning}`)
  return block
}

function findPrinted(name: string): string {
  return page.blocks.find(({ info }) => info === `text printed by ${name}`)?.code ?? ''
}

function start({ code }: Block): RunningCommand {
  return startLine(code)
}

// With exec the shell becomes the command, so that a signal reaches it.
function startLine(line: string): RunningCommand {
  return new RunningCommand(spawn('sh', ['-euc', `exec ${line}`], { stdio: ['ignore', 'pipe', 'pipe'] }))
}

function run(line: string): Promise<{ readonly stdout: string }> {
  return promisify(execFile)('sh', ['-euc', line])
}

/** The entries of a YAML list as a command line. */
function readWords(list: string): string {
  const words = list
    .split(',')
    .map((word) => word.trim().replaceAll("'", ''))
    .filter((word) => word !== '')
  return words.join(' ')
}

/** Removes what differs between runs. */
function blank(line: string): string {
  return line
    .replace(/unix:\S+/, 'unix:…')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'T')
    .replaceAll(/((?:serial) +)[0-9a-f]+/g, '$1S')
    .replace(/in \d+ [ms](?: \d+ s)?$/, 'in …')
}

function readNames(cell: string): readonly string[] {
  return [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)
}
