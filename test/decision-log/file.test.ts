import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConfigurationError, decisionLog } from '@countersign/core'
import { createFolder, denied, idOf, type Line, parseLines, publish, readLines } from './lines.ts'
import { waitUntil } from '../support/wait-until.ts'

const denial = { ...denied, principal: idOf('mailer') }

/** Waits until a file has this many lines. */
async function waitForLines(path: string, count: number): Promise<void> {
  await waitUntil(() => existsSync(path) && readFileSync(path, 'latin1').split('\n').length > count)
}

test('creates the file for its owner only, and appends to it', async (context) => {
  const path = join(createFolder(context), 'decisions.jsonl')
  for (const count of [1, 2]) {
    const log = decisionLog({ path })
    publish(denial)
    await log.close()
    assert.equal(readLines(path).length, count)
  }
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

describe('is refused at the start', () => {
  const places: Readonly<Record<string, (folder: string) => string>> = {
    'in a folder that is missing': (folder) => join(folder, 'missing', 'log'),
    'as a folder': (folder) => folder,
    'as a symbolic link': (folder) => {
      writeFileSync(join(folder, 'target'), '')
      symlinkSync('target', join(folder, 'link'))
      return join(folder, 'link')
    },
    'as a link to nothing': (folder) => {
      symlinkSync('target', join(folder, 'link'))
      return join(folder, 'link')
    },
    'as a pipe, without waiting for its reader': (folder) => {
      assert.equal(spawnSync('mkfifo', [join(folder, 'pipe')]).status, 0)
      return join(folder, 'pipe')
    },
    'as a device': () => '/dev/null',
  }
  for (const [what, create] of Object.entries(places)) {
    test(`a file ${what}`, (context) => {
      const path = create(createFolder(context))
      assert.throws(
        () => decisionLog({ path }),
        (error) => error instanceof ConfigurationError && error.code === 'option_invalid' && error.value === path,
      )
    })
  }
})

test('a line that was cut when the process before died does not join the next one', async (context) => {
  const path = join(createFolder(context), 'decisions.jsonl')
  writeFileSync(path, '{"version":1,"ty')
  const log = decisionLog({ path })
  publish(denial)
  await log.close()
  const [cut, ...lines] = readFileSync(path, 'latin1').split('\n')
  assert.equal(cut, '{"version":1,"ty')
  assert.equal(lines.length, 2)
  assert.equal(parseLines(lines.join('\n'))[0]?.['effect'], 'deny')
})

describe('after a rotation', () => {
  test('by rename, opens a new file by itself and loses nothing', async (context) => {
    const path = join(createFolder(context), 'decisions.jsonl')
    const log = decisionLog({ path })
    context.after(() => log.close())
    publish(denial)
    await waitForLines(path, 1)
    renameSync(path, `${path}.1`)
    let published = 1
    while (!existsSync(path)) {
      publish(denial)
      published += 1
      await sleep(20)
    }
    await log.close()
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(readLines(`${path}.1`).length + readLines(path).length, published)
    assert.ok(readLines(path).length > 0)
  })

  test('on request, opens it at once', async (context) => {
    const path = join(createFolder(context), 'decisions.jsonl')
    const log = decisionLog({ path })
    publish(denial)
    await waitForLines(path, 1)
    renameSync(path, `${path}.1`)
    await log.reopen()
    publish(denial)
    await log.close()
    assert.deepEqual([readLines(`${path}.1`).length, readLines(path).length], [1, 1])
  })

  test('by truncation, writes at the new end', async (context) => {
    const path = join(createFolder(context), 'decisions.jsonl')
    const log = decisionLog({ path })
    publish(denial)
    await waitForLines(path, 1)
    truncateSync(path, 0)
    publish(denial)
    await log.close()
    assert.equal(readLines(path).length, 1)
  })

  test('keeps the open file while the new one cannot be opened, and reports that once', async (context) => {
    const folder = createFolder(context)
    const path = join(folder, 'decisions.jsonl')
    const errors: Error[] = []
    const log = decisionLog({ path, onError: (error) => void errors.push(error) })
    context.after(() => log.close())
    publish(denial)
    await waitForLines(path, 1)
    renameSync(path, `${path}.1`)
    // Someone else prepares a link, so that the next lines go to a file of their choice.
    appendFileSync(join(folder, 'target'), '')
    symlinkSync('target', path)
    await assert.rejects(log.reopen(), { code: 'ELOOP' })
    let published = 1
    const end = Date.now() + 2500
    while (Date.now() < end) {
      publish(denial)
      published += 1
      await sleep(100)
    }
    assert.equal(errors.length, 1)
    rmSync(path)
    await log.reopen()
    publish(denial)
    await log.close()
    assert.equal(readLines(`${path}.1`).length, published)
    assert.equal(readLines(path).length, 1)
    assert.equal(readFileSync(join(folder, 'target'), 'latin1'), '')
    assert.deepEqual(log.dropped, { rate: 0, queue: 0, failed: 0 })
  })
})

test('after close, neither opens the file again nor writes to what has its descriptor now', async (context) => {
  const path = join(createFolder(context), 'decisions.jsonl')
  const log = decisionLog({ path })
  await log.close()
  const other = `${path}.other`
  const descriptor = openSync(other, 'w')
  await log.reopen()
  publish(denial)
  assert.equal(fstatSync(descriptor).size, 0)
  closeSync(descriptor)
  assert.equal(readLines(path).length, 0)
})

test('writes what is queued when the process exits', (context) => {
  const path = join(createFolder(context), 'decisions.jsonl')
  const program = `
    import { channel } from 'node:diagnostics_channel'
    import { decisionLog } from '@countersign/core'
    decisionLog({ path: ${JSON.stringify(path)}, maxPerSecond: 1_000_000, maxQueueBytes: 8_388_608 })
    const publish = (count) => {
      for (let index = 0; index < count; index += 1) {
        channel('countersign:decision').publish(${JSON.stringify({ type: 'decision', at: 0, method: 'GET', path: '/', ...denied })})
      }
    }
    publish(3000)
    // A write is in progress when the rest is queued.
    setImmediate(() => setImmediate(() => { publish(3000); process.exit() }))
  `
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  })
  assert.deepEqual([status, stderr], [0, ''])
  assert.equal(readLines(path).length, 6000)
})

test(
  'keeps lines while they cannot be written, and writes each of them once when they can',
  { skip: process.platform !== 'linux' },
  (context) => {
    // A limit on the size of files, as a full disk: a write is cut short and then fails.
    const path = join(createFolder(context), 'decisions.jsonl')
    const program = `
    import { channel } from 'node:diagnostics_channel'
    import { renameSync, statSync } from 'node:fs'
    import { decisionLog } from '@countersign/core'
    process.on('SIGXFSZ', () => undefined)
    let errors = 0
    const path = ${JSON.stringify(path)}
    const log = decisionLog({ path, maxPerSecond: 200, onError: () => (errors += 1) })
    for (let index = 0; index < 250; index += 1) {
      channel('countersign:decision').publish({ ...${JSON.stringify({ type: 'decision', at: 0, method: 'GET', ...denied })}, path: '/' + index })
    }
    // The counts of dropped decisions are to be written meanwhile, too.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    renameSync(path, path + '.1')
    await log.reopen()
    while (statSync(path).size === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await log.close()
    console.log(JSON.stringify([errors, log.dropped]))
  `
    const { status, stdout, stderr } = spawnSync(
      'bash',
      ['-c', `ulimit -f 40; exec "$0" --input-type=module -e "$1"`, process.execPath, program],
      { cwd: import.meta.dirname, encoding: 'utf8', timeout: 60_000 },
    )
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual(JSON.parse(stdout), [1, { rate: 50, queue: 0, failed: 0 }])
    const text = readFileSync(`${path}.1`, 'latin1')
    assert.doesNotMatch(text, /\n$/, 'the write was cut within a line')
    const before = text.split('\n').slice(0, -1)
    const lines = [...parseLines(before.map((line) => `${line}\n`).join('')), ...readLines(path)]
    const isCount = ({ type }: Line): boolean => type === 'dropped'
    assert.deepEqual(
      lines.filter(isCount).map(({ rate }) => rate),
      [50],
    )
    assert.deepEqual(
      lines.filter((line) => !isCount(line)).map((line) => line['path']),
      Array.from({ length: 200 }, (_, index) => `/${index}`),
    )
  },
)
