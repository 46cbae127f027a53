import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Authorizer, authorizer, type AuthorizerQuestion } from '@countersign/core'
import { opaAuthorizer } from '@countersign/policy/opa'
import type { TestSvid } from '@countersign/testkit'
import type { Service } from './credential-service.ts'
import { waitUntil } from '../support/wait-until.ts'

/** An authorizer that returns anything, as an engine that TypeScript did not check. */
export function engine(
  decide: (question: AuthorizerQuestion, call: { signal: AbortSignal }) => unknown,
  timeout = '1m',
): Authorizer {
  return authorizer({ name: 'engine', timeout, headers: ['x-size', 'x-line'], ...asDecide(decide) })
}

/** An authorizer that has little time, for those that take more. */
export function hurriedEngine(decide: Parameters<typeof engine>[0]): Authorizer {
  return engine(decide, '50ms')
}

function asDecide(decide: unknown): Pick<Authorizer, 'decide'> {
  const options: unknown = { decide }
  if (isDecide(options)) return options
  throw new TypeError('expected a function')
}

function isDecide(options: unknown): options is Pick<Authorizer, 'decide'> {
  return typeof options === 'object' && options !== null
}

/** The policy of the tests in WebAssembly, which allows `orders` what begins with `/open`. */
export function opa(entrypoint: string, grants = [{ caller: 'orders', prefix: '/open' }]): Promise<Authorizer> {
  const wasm = fileURLToPath(new URL('../vectors/opa/policy.wasm', import.meta.url))
  const headers = ['x-size', 'x-line']
  return opaAuthorizer({
    wasm,
    data: { grants },
    entrypoint: `countersign/${entrypoint}`,
    headers,
    maxMemory: 8 << 20,
    timeout: '1m',
  })
}

/** A call of a held authorizer. */
interface HeldCall {
  readonly question: AuthorizerQuestion
  readonly signal: AbortSignal
  readonly answer: (value: unknown) => void
}

/** An authorizer whose answers the test gives. */
export interface HeldAuthorizer {
  readonly authorizer: Authorizer
  readonly calls: readonly HeldCall[]
  /** Waits until this many questions were asked. */
  readonly reached: (count: number) => Promise<void>
  /** Allows everything that was asked, and whatever is asked from then on. */
  readonly allowAll: () => void
}

export function holdAuthorizer(options: Partial<Authorizer> = {}): HeldAuthorizer {
  const calls: HeldCall[] = []
  let isOpen = false
  const { decide } = engine(
    (question, { signal }) =>
      new Promise((resolve) => {
        calls.push({ question, signal, answer: resolve })
        if (isOpen) resolve(true)
      }),
  )
  const held = authorizer({ name: 'held', timeout: '1m', decide, ...options })
  const reached = async (count: number): Promise<void> => {
    await waitUntil(() => calls.length >= count)
  }
  const allowAll = (): void => {
    isOpen = true
    for (const { answer } of calls) answer(true)
  }
  return { authorizer: held, calls, reached, allowAll }
}

/** Sends an upgrade, and returns the status of its answer. */
export async function statusOfUpgrade(service: Service, svid: TestSvid, headers = '', path = '/open'): Promise<number> {
  const socket = await service.running.as(svid).connect()
  socket.on('error', () => undefined)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n${headers}\r\n`)
  const status = Number(String(await once(socket, 'data')).slice(9, 12))
  socket.destroy()
  return status
}
