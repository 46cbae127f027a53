/** Measures decisions by credential in a new process. Returns rounds of nanoseconds by subject. */
import type { IncomingMessage } from 'node:http'
import { X509Certificate } from 'node:crypto'
import {
  allOf,
  anonymous,
  anyOf,
  createGuard,
  type Guard,
  hasAuthority,
  provenBy,
  staticSource,
} from '@countersign/core'
import { forAdapter, type GuardedRequest } from '@countersign/core/adapter'
import { verifySvid } from '@countersign/spiffe'
import { staticJwtBundles } from '@countersign/spiffe/jwt'
import { type Authority, createAuthority, createKey, serve, type TestSvid } from '@countersign/testkit'
import { answerMessages, hasNames } from '../measure/child-process.ts'
import { timeCalls } from '../measure/time-calls.ts'
import type { Rounds } from '../function/function-task.ts'
import type { CredentialTask } from './credential-task.ts'

answerMessages(hasNames<CredentialTask>('kind', 'rounds'), async ({ kind, rounds }) => ({
  answer: await (kind === 'seen' ? measureSeen(rounds) : measureUnseen(rounds)),
  next: () => undefined,
}))

const idOf = (path: string): string => `spiffe://saas.example/ns/${path}`
const proxyId = idOf('edge/sa/proxy')
const lifetime = { ttlSeconds: 6 * 3600 }

async function measureSeen(rounds: number): Promise<Rounds> {
  const authority = await createAuthority('saas.example')
  const plain = await createService(authority, {})
  const extended = await createService(authority, { isExtended: true })
  const caller = await authority.issue(idOf('production/sa/orders'), lifetime)
  const proxy = await authority.issue(proxyId, lifetime)
  const { token } = authority.issueJwt(idOf('production/sa/orders'), { audience: 'billing', ...lifetime })
  const ofPeer = await plain.open(caller, [])
  const subjects: Readonly<Record<string, readonly [Guard, () => GuardedRequest]>> = {
    peer: [plain.guard, ofPeer],
    'peer, extended': [extended.guard, await extended.open(caller, [])],
    anonymous: [extended.guard, await extended.open(null, [])],
    forwarded: [extended.guard, await extended.open(proxy, ['Client-Cert', encodeLeaf(caller)])],
    token: [extended.guard, await extended.open(null, ['Authorization', `Bearer ${token}`])],
  }
  const calls: Record<string, () => unknown> = {}
  for (const [name, [guard, create]] of Object.entries(subjects)) {
    const adapter = forAdapter(guard)
    // The first one has to wait for a token.
    const verdict = await adapter.admit(create())
    if (verdict !== null && 'effect' in verdict) throw new Error(`${name}: found a denial (${verdict.detail})`)
    calls[name] = () => adapter.admit(create()) ?? 'anonymous'
  }
  const times = timeCalls(calls, rounds)
  await plain.close()
  await extended.close()
  return times
}

// One certificate or token for each call, so the number of calls is limited.
async function measureUnseen(rounds: number): Promise<Rounds> {
  const authority = await createAuthority('saas.example')
  const extended = await createService(authority, { isExtended: true })
  const proxy = await authority.issue(proxyId, lifetime)
  const key = await createKey('P-256')
  const bundles = staticSource(extended.material).current.bundles
  const create = await extended.open(proxy, [])
  const createBare = await extended.open(null, [])
  const guard = forAdapter(extended.guard)
  const times: Record<'peer' | 'forwarded' | 'token', number[]> = { peer: [], forwarded: [], token: [] }
  for (let round = 0; round < rounds + warmUp; round += 1) {
    const svids: TestSvid[] = []
    const tokens: string[] = []
    for (let index = 0; index < 2 * perRound; index += 1) {
      const id = idOf(`production/sa/worker-${round}-${index}`)
      svids.push(await authority.issue(id, { key, ...lifetime }))
      tokens.push(authority.issueJwt(id, { audience: 'billing', ...lifetime }).token)
    }
    const ders = svids.slice(perRound).map(({ certificatePem }) => new X509Certificate(certificatePem).raw)
    const headers = svids.slice(0, perRound).map(encodeLeaf)
    const measured = {
      peer: await time((index) => verifySvid({ chain: [ders[index] ?? Buffer.alloc(0)], bundles, now: Date.now() })),
      forwarded: await time((index) => guard.admit(create(['Client-Cert', headers[index] ?? '']))),
      token: await time((index) => guard.admit(createBare(['Authorization', `Bearer ${tokens[index]}`]))),
    }
    if (round < warmUp) continue
    for (const name of ['peer', 'forwarded', 'token'] as const) times[name].push(measured[name])
  }
  await extended.close()
  return times
}

const warmUp = 3
const perRound = 60

async function time(call: (index: number) => unknown): Promise<number> {
  const start = process.cpuUsage()
  for (let index = 0; index < perRound; index += 1) await call(index)
  const { user, system } = process.cpuUsage(start)
  return ((user + system) * 1000) / perRound
}

interface Service {
  readonly guard: Guard
  readonly material: Parameters<typeof staticSource>[0]
  /** Returns a function that creates copies of a request of this peer, with further headers. */
  readonly open: (svid: TestSvid | null, headers: readonly string[]) => Promise<OpenedRequest>
  readonly close: () => Promise<void>
}

type OpenedRequest = (more?: readonly string[]) => GuardedRequest

async function createService(
  authority: Authority,
  { isExtended = false }: { readonly isExtended?: boolean },
): Promise<Service> {
  const { keyPem, certificatePem } = await authority.issue(idOf('production/sa/billing'), lifetime)
  const material = { key: keyPem, cert: certificatePem, bundles: { 'saas.example': authority.bundlePem } }
  const proven = hasAuthority('SERVICE_orders')
  const workers = [idOf('production/sa/*')]
  const tokens = allOf(provenBy('x509-svid', 'forwarded', 'jwt-svid'), { callers: workers })
  const guard = createGuard({
    source: staticSource(material),
    log: () => undefined,
    rules: [{ path: '/**', allow: isExtended ? anyOf(proven, tokens, anonymous()) : proven }],
    ...(isExtended && {
      permissive: { until: new Date(Date.now() + 3_600_000).toISOString() },
      credentials: {
        forwarded: { proxies: [{ id: proxyId, forwards: workers }], format: 'client-cert' as const },
        jwtSvid: { audiences: ['billing'], bundles: staticJwtBundles({ 'saas.example': authority.jwtBundle }) },
      },
    }),
  })
  let receive: ((request: IncomingMessage) => void) | undefined
  const running = await serve(guard, (request) => receive?.(request))
  const open = async (svid: TestSvid | null, headers: readonly string[]): Promise<OpenedRequest> => {
    const received = new Promise<IncomingMessage>((resolve) => (receive = resolve))
    // Never answered: it fails when the server closes.
    running
      .as(svid)
      .fetch('/invoices')
      .catch(() => undefined)
    const { method, url, httpVersionMajor, socket, headers: fields, rawHeaders } = await received
    return (more = []) => {
      const raw = [...rawHeaders, ...headers, ...more]
      return { method, url, httpVersionMajor, socket, headers: { ...fields }, rawHeaders: raw }
    }
  }
  return { guard, material, open, close: () => running.close() }
}

function encodeLeaf({ certificatePem }: TestSvid): string {
  return `:${new X509Certificate(certificatePem).raw.toString('base64')}:`
}
