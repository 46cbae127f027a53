/**
 * Opens, checks again and closes many connections of an attached server, and answers with the processor time of each
 * step. The connections are streams without TLS: what OpenSSL and the kernel do for each is not the guard's work.
 */
import { X509Certificate } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { createServer, type Server } from 'node:tls'
import { authenticated, createGuard, createMaterial, createReplaceableSource } from '@countersign/core'
import { type Authority, createAuthority, type IssueOptions } from '@countersign/testkit'
import { answerMessages, hasNames, processorTime } from '../measure/child-process.ts'
import { HeldSocket } from './held-socket.ts'
import { prepareMany } from './issue-many.ts'
import type { ScaleTask, StepTimes } from './measure-scale.ts'

answerMessages(hasNames<ScaleTask>('count', 'rounds'), async (task) => ({
  answer: { ...(await measure(task)) },
  next: () => undefined,
}))

async function measure({ count, rounds }: ScaleTask): Promise<StepTimes> {
  const authority = await createAuthority('saas.example')
  const other = await createAuthority('saas.example', { name: 'other' })
  const withdrawn = await createAuthority('saas.example', { name: 'withdrawn' })
  const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')
  const trusting = (...authorities: readonly Authority[]): ReturnType<typeof createMaterial> => {
    const bundlePem = authorities.map((each) => each.bundlePem).join('')
    return createMaterial({ key: own.keyPem, cert: own.certificatePem, bundles: { 'saas.example': bundlePem } })
  }
  const source = createReplaceableSource(trusting(authority, withdrawn))
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  const server = createServer(guard.tlsOptions())
  guard.attach(server)

  const callers = await issueCallers(authority, count / ofCaller)
  const leaving = await issueCallers(withdrawn, 1)
  const run = async (number: number): Promise<Readonly<Record<'open' | 'update' | 'close', number>>> => {
    source.replace(trusting(authority, withdrawn))
    const held = await Held.open(server, callers, number)
    // Connections are checked in the order in which they were opened, so this one is the last to be closed.
    const last = await Held.open(server, leaving, 1)
    const next = trusting(authority, other)
    const update = await time(number, () => {
      source.replace(next)
      return last.closed
    })
    return { open: held.time, update, close: await time(number, () => held.close()) }
  }
  // As many for either number, so that as much is compiled.
  for (let round = 0; round < warmUps; round += 1) await run(10_000)
  const began = performance.now()
  const found = [await run(count)]
  // Enough time to open all of them before the first one is announced to close.
  const ttlSeconds = Math.ceil(4 + (2 * (performance.now() - began)) / 1000)
  while (found.length < rounds) found.push(await run(count))
  const expiring = await Held.open(server, await issueCallers(authority, count / ofCaller, { ttlSeconds }), count)
  const expire = await time(count, () => expiring.closed)
  const pick = (step: 'open' | 'update' | 'close'): readonly number[] => found.map((times) => times[step])
  return { open: pick('open'), update: pick('update'), close: pick('close'), expire: [expire] }
}

const warmUps = 5

/** The number of connections that each caller opens. */
const ofCaller = 100

/** Returns the processor time in microseconds for each of `count` connections. */
async function time(count: number, run: () => Promise<void>): Promise<number> {
  globalThis.gc?.()
  // The collector goes on in other threads.
  await wait(200)
  const start = processorTime()
  await run()
  return (processorTime() - start) / count
}

async function issueCallers(
  authority: Authority,
  count: number,
  options: IssueOptions = {},
): Promise<readonly X509Certificate[]> {
  const svids = await prepareMany(authority, options)
  return Array.from({ length: count }, (_, index) => new X509Certificate(svids.issue(index)))
}

/** Connections of a server that are open at the same time. */
class Held {
  readonly #sockets: readonly HeldSocket[]
  /** Resolves when all of them have closed. */
  readonly closed: Promise<void>
  /** The processor time to open each, in microseconds. */
  readonly time: number

  private constructor(sockets: readonly HeldSocket[], time: number) {
    this.#sockets = sockets
    this.time = time
    let open = sockets.length
    this.closed = new Promise((resolve) => {
      for (const socket of sockets) {
        socket.once('close', () => {
          open -= 1
          if (open === 0) resolve()
        })
      }
    })
  }

  static async open(server: Server, callers: readonly X509Certificate[], count: number): Promise<Held> {
    const sockets = Array.from({ length: count }, (_, index) => {
      const certificate = callers[index % callers.length]
      if (certificate === undefined) throw new Error('found no caller, expected at least one')
      return new HeldSocket(certificate)
    })
    const each = await time(count, () => {
      for (const socket of sockets) server.emit('secureConnection', socket)
      return Promise.resolve()
    })
    if (sockets.some(({ destroyed }) => destroyed)) throw new Error('found a refused connection, expected none')
    return new Held(sockets, each)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await this.closed
  }
}
