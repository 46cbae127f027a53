import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Server } from 'node:net'
import { join } from 'node:path'
import { mock } from 'node:test'
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'
import { type Authority, createAuthority, Running } from '@countersign/testkit'
import { register } from 'tsx/esm/api'
import { type Page, root } from './page.ts'
import { read } from './read.ts'

/** The namespace of the page's service and of most of its callers. */
export const production = 'spiffe://saas.example/ns/production/sa'

/** A folder that contains the blocks of a page as files, next to the certificates that they read. */
export interface Workbench {
  readonly folder: string
  /** The authority that issued the certificates. */
  readonly authority: Authority
  readonly write: (name: string, text: string) => void
  /** Writes blocks of another page that this page's blocks import. */
  readonly borrow: (page: Page, ...names: readonly string[]) => void
  readonly load: (name: string) => Promise<unknown>
  /** The compiler errors of the blocks. */
  readonly compile: () => string
  /** Runs a block once and returns its output lines. */
  readonly capture: (name: string) => Promise<readonly string[]>
  /** Runs a block that listens, on a free loopback port instead of its own; `variable` is its application or server. */
  readonly start: (name: string, variable: string) => Promise<Running>
  readonly close: () => Promise<void>
}

/** Writes the blocks into a new folder and makes it the current one; only one per process is possible. */
export async function createWorkbench({ blocks, runnable }: Page): Promise<Workbench> {
  // Below test/, so that the blocks find the packages like any application; dist/ is ignored by git.
  mkdirSync(join(root, 'test/dist'), { recursive: true })
  const folder = mkdtempSync(join(root, 'test/dist/page-'))
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o600 })
  const load = (name: string): Promise<unknown> => import(new URL(name, pathToFileURL(`${folder}/`)).href)
  const printed = new Map<string, readonly string[]>()
  const started: Running[] = []

  const authority = await createAuthority('saas.example')
  const svid = await authority.issue(`${production}/billing`)
  write('svid.0.key', svid.keyPem)
  write('svid.0.pem', svid.certificatePem)
  write('bundle.0.pem', authority.bundlePem)
  write('package.json', '{ "type": "module" }')
  const codes = new Map<string, string>()
  const place = (name: string, code: string): void => {
    codes.set(name, code)
    write(name, code)
  }
  for (const [name, { code }] of runnable) place(name, code)
  for (const { info, code, line } of blocks) if (info === 'ts') write(`line-${line}.ts`, code)
  process.chdir(folder)
  // The blocks are TypeScript, even if this file was loaded as JavaScript.
  register()

  return {
    folder,
    authority,
    write,
    borrow: (page, ...names) => {
      for (const name of names) {
        const block = page.runnable.get(name)
        assert.ok(block !== undefined, `${page.name} has no block to be run that begins with // ${name}`)
        place(name, block.code)
      }
    },
    load,
    compile: () => {
      write(
        'tsconfig.json',
        JSON.stringify({ extends: '../../../tsconfig.base.json', compilerOptions, include: ['*.ts'] }),
      )
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })
      return status === 0 ? '' : `${stdout}${stderr}` || `the compiler ended with ${status}`
    },
    capture: async (name) => {
      const lines = printed.get(name) ?? (await captureLines(() => load(name)))
      printed.set(name, lines)
      return lines
    },
    start: async (name, variable) => {
      const code = codes.get(name) ?? ''
      assert.ok(code.includes('8443') && code.includes("'0.0.0.0'"), `${name} listens on 8443 of every address`)
      const free = code.replace('8443', '0').replace("'0.0.0.0'", "'127.0.0.1'")
      write(`free-${name}`, `${free}\nexport { ${variable} }\n`)
      const running = await observe(read(await load(`free-${name}?${started.length}`), variable))
      started.push(running)
      return running
    },
    close: async () => {
      for (const running of started) await running.close()
      process.chdir(root)
      rmSync(folder, { recursive: true })
    },
  }
}

const compilerOptions = {
  composite: false,
  declarationMap: false,
  noEmit: true,
  isolatedDeclarations: false,
  rewriteRelativeImportExtensions: false,
  allowImportingTsExtensions: true,
  rootDir: root,
}

async function captureLines(run: () => Promise<unknown>): Promise<readonly string[]> {
  const lines: string[] = []
  const log = mock.method(console, 'log', (...values: readonly unknown[]) => void lines.push(format(...values)))
  try {
    await run()
  } finally {
    log.mock.restore()
  }
  return lines
}

async function observe(appOrServer: unknown): Promise<Running> {
  const server = appOrServer instanceof Server ? appOrServer : read(appOrServer, 'server')
  assert.ok(server instanceof Server)
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
  return new Running(server, () => new Promise((resolve) => server.close(() => resolve())))
}
