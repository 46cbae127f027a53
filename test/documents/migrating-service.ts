import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type Agent as PlainAgent, request as requestPlain, Server as HttpServer } from 'node:http'
import { type Agent, request as requestTls } from 'node:https'
import { Server } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Guard } from '@countersign/core'
import type { TestSvid } from '@countersign/testkit'
import { type Page, readPage } from './page.ts'
import { asObject, isGuard, isSource, read, readFunction } from './read.ts'
import { production, type Workbench } from './workbench.ts'

/** The names of the API keys in docs/migration.md. */
export const apiKeys = { CORE_API_KEY: 'key of core-api', REPORTS_KEY: 'key of reports' } as const

/** Milliseconds from the start of a test to the deadline, which is within the life of its certificates. */
export const remaining = 600_000

/** The program of a service. */
export type Main = 'server.ts' | 'fastify-server.ts'

/** The service of docs/migration.md, as it is deployed at one step. */
export interface Deployment {
  readonly guard: Guard
  /** The port for TLS. */
  readonly port: number
  /** The port for TLS and plaintext; 0 without a migration listener. */
  readonly oldPort: number
  readonly close: () => Promise<void>
}

/** Writes what the service and its callers read. */
export async function prepare({ write, borrow, authority }: Workbench): Promise<void> {
  Object.assign(process.env, apiKeys)
  borrow(readPage('docs/operating.md'), 'source.ts')
  for (const [name, file] of [
    ['billing', 'svid.0'],
    ['core-api', 'core-api'],
  ]) {
    const svid = await authority.issue(`${production}/${name}`, { dnsNames: ['localhost'] })
    write(`${file}.key`, svid.keyPem)
    write(`${file}.pem`, svid.certificatePem)
  }
}

/** The files of the service at step 1. */
export function readFiles({ runnable }: Page): Map<string, string> {
  const names = ['guard.ts', 'api-keys.ts', 'server.ts', 'fastify-server.ts']
  const files = new Map(names.map((name) => [name, runnable.get(name)?.code ?? '']))
  const source = readPage('docs/operating.md').runnable.get('source.ts')?.code ?? ''
  const until = new Date(Date.now() + remaining).toISOString()
  const guard = files.get('guard.ts') ?? ''
  assert.ok(guard.includes(pageDeadline))
  // The text of the page stays as it is, so that changes apply to it.
  return files.set('source.ts', source).set('deadline.ts', `export const deadline = '${until}'\n`)
}

const pageDeadline = "'2027-03-31T00:00:00Z'"

/** Writes the files of a deployment into a folder of its own and starts it, on free ports of loopback. */
export async function deploy(
  context: TestContext,
  folder: string,
  files: ReadonlyMap<string, string>,
  main: Main = 'server.ts',
): Promise<Deployment> {
  mkdirSync(folder)
  for (const [name, code] of files) writeFileSync(join(folder, name), adapt(code))
  const load = (name: string): Promise<unknown> => import(pathToFileURL(join(folder, name)).href)
  const guard = read(await load('guard.ts'), 'guard')
  const source = read(await load('source.ts'), 'source')
  const service = asObject(await load(main))
  const app: unknown = Reflect.get(service, 'app')
  const server = app === undefined ? read(service, 'server') : read(app, 'server')
  const listener: unknown = Reflect.get(service, 'plaintext')
  assert.ok(isGuard(guard) && isSource(source) && server instanceof Server)
  const close = async (): Promise<void> => {
    if (app === undefined) server.close()
    readFunction(server, 'closeAllConnections').call(server)
    if (listener instanceof HttpServer) listener.closeAllConnections()
    if (app !== undefined) await readFunction(app, 'close').call(app)
    await readFunction(source, 'close').call(source)
  }
  context.after(close)
  return {
    guard,
    port: await findPort(server),
    oldPort: listener instanceof HttpServer ? await findPort(listener) : 0,
    close,
  }
}

function adapt(code: string): string {
  const isEarly = code.includes(pageDeadline)
  return `${isEarly ? "import { deadline } from './deadline.ts'\n" : ''}${code}`
    .replace(pageDeadline, 'deadline')
    .replace('.listen(8443)', ".listen(0, '127.0.0.1')")
    .replace('.listen(8080)', ".listen(0, '127.0.0.1')")
    .replace("{ port: 8443, host: '0.0.0.0' }", "{ port: 0, host: '127.0.0.1' }")
}

async function findPort(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

/** How a caller connects, and what it sends. */
export interface Call {
  readonly port: number
  readonly path?: string
  readonly method?: string
  readonly key?: string
  /** The authority of the service, for TLS. Undefined for plaintext. */
  readonly bundlePem?: string
  readonly svid?: TestSvid
  /** To keep a connection open. Default: a connection for this call. */
  readonly agent?: PlainAgent | Agent
}

/** What a caller receives: a status and a body, or that the connection was closed. */
export interface Answer {
  readonly status: string
  readonly body: string
}

/** What a caller receives whose connection is closed. */
export const closed: Answer = { status: 'connection closed', body: '' }

/** Calls the service, and reads the whole answer. */
export function call({ port, path = '/invoices', method = 'GET', key, bundlePem, svid, agent }: Call): Promise<Answer> {
  const headers = key === undefined ? {} : { 'x-api-key': key }
  const target = { host: '127.0.0.1', port, path, method, headers, agent: agent ?? (false as const) }
  const certificate = svid === undefined ? {} : { key: svid.keyPem, cert: svid.certificatePem }
  const tls = { servername: 'localhost', ca: bundlePem, ...certificate }
  const request = bundlePem === undefined ? requestPlain(target) : requestTls({ ...target, ...tls })
  return new Promise((resolve) => {
    request
      .on('error', () => resolve(closed))
      .on('response', (response) => {
        response.toArray().then(
          (chunks: readonly Buffer[]) =>
            resolve({ status: String(response.statusCode), body: Buffer.concat(chunks).toString() }),
          () => resolve(closed),
        )
      })
    request.end()
  })
}
