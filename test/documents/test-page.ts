import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test from 'node:test'
import { type Block, readPrinted, readProgram } from './blocks.ts'
import type { Page } from './page.ts'
import type { Workbench } from './workbench.ts'

/** Tests for every document: its TypeScript blocks are marked and compile. */
export function testBlocks(page: Page, bench: () => Workbench): void {
  test('every TypeScript block compiles', () => {
    const findings = bench().compile()

    assert.equal(findings, '', `blocks are named by file name or by their line in ${page.name}`)
  })

  test('every TypeScript block is marked as run or as only compiled', () => {
    const infos = page.blocks.map(({ info }) => info).filter((info) => /^(?:ts|typescript|js|javascript)\b/.test(info))

    assert.ok(infos.length > 0)
    assert.deepEqual(
      infos.filter((info) => info !== 'ts' && info !== 'ts run'),
      [],
    )
    assert.equal(page.runnable.size, infos.filter((info) => info === 'ts run').length, 'each file name stands once')
  })
}

/** Tests that these blocks print the output in their comments; `skip` is the reason if they cannot. */
export function testPrinted(
  page: Page,
  bench: () => Workbench,
  names: readonly string[],
  skip: string | false = false,
): void {
  for (const name of names) {
    test(`${name} runs and prints the output in its comments`, { skip }, async () => {
      const block = page.runnable.get(name)
      assert.ok(block !== undefined, `${page.name} has no block to be run that begins with // ${name}`)

      assert.deepEqual(await bench().capture(name), readPrinted(block))
    })
  }
}

/**
 * Tests that a document's shell blocks for these programs run unchanged and in order; later tests can use their files.
 */
export function testShell(page: Page, bench: () => Workbench, programs: readonly string[]): void {
  for (const block of page.blocks.filter(({ info }) => info.startsWith('sh run'))) {
    const program = readProgram(block)
    if (!programs.includes(program)) continue
    test(`the commands of ${program} in line ${block.line} run`, { skip: findMissing(program) }, () => {
      runShell(block, bench().folder)
    })
  }
}

/** Why tests that need this program are skipped, or false. */
export function findMissing(program: string): string | false {
  const { status, stdout } = spawnSync(program, [questions.get(program) ?? '--version'], { encoding: 'utf8' })
  if (status !== 0) return `no ${program} on the PATH`
  // Some systems have a different program of that name, with other options.
  return program === 'openssl' && !stdout.startsWith('OpenSSL ') ? `openssl is ${stdout.trim()}` : false
}

/** Arguments that make a program report its presence. */
const questions: ReadonlyMap<string, string> = new Map([
  ['openssl', 'version'],
  ['keytool', '-help'],
])

/** Runs a shell block synchronously. */
export function runShell({ code, line }: Block, folder: string): void {
  const { status, stderr } = spawnSync('sh', ['-euc', code], { cwd: folder, encoding: 'utf8' })
  assert.equal(status, 0, `line ${line}:\n${stderr}`)
}
