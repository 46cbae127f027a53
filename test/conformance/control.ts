import { createServer, type IncomingMessage, type Server } from 'node:http'
import { json } from 'node:stream/consumers'
import { CountersignError, type X509Source } from '@countersign/core'
import { type JwtBundleSource, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { dial } from './dial.ts'

/** Answers the suite's requests over HTTP in JSON: `ok`, `rejected`, `error` or `unsupported`, each with its status. */
export function createControl(source: X509Source, jwtBundles: JwtBundleSource): Server {
  const offers = createOffers(source, jwtBundles)
  return createServer((request, response) => {
    answer(offers, request).then(
      (body) => {
        response.writeHead(statusOf[body.status], { 'content-type': 'application/json' }).end(JSON.stringify(body))
      },
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    )
  })
}

const statusOf = { ok: 200, rejected: 422, error: 500, unsupported: 501 } as const

interface Answer {
  readonly status: keyof typeof statusOf
  /** For people. */
  readonly message?: string
}

type Offers = ReadonlyMap<string, (request: IncomingMessage) => object | Promise<object>>

async function answer(offers: Offers, request: IncomingMessage): Promise<Answer> {
  try {
    const offered = offers.get(`${request.method} ${request.url}`)
    return offered === undefined ? { status: 'unsupported' } : { ...(await offered(request)), status: 'ok' }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { status: judge(error), message }
  }
}

function createOffers(source: X509Source, jwtBundles: JwtBundleSource): Offers {
  return new Map<string, (request: IncomingMessage) => object | Promise<object>>([
    ['GET /v1/info', () => ({ sdk: 'countersign', language: 'typescript' })],
    ['POST /v1/x509/dial', async (request) => dial(source, readText(await readBody(request), 'address'))],
    [
      'POST /v1/jwt/fetch',
      async (request) => {
        const body = await readBody(request)
        const asked = { audience: readTexts(body, 'audience'), spiffeId: readText(body, 'spiffe_id') }
        const { spiffeId, token, hint } = await createWorkloadApiClient().fetchJwtSvid(asked)
        return { svids: [{ spiffe_id: spiffeId.toString(), token, hint }] }
      },
    ],
    [
      'POST /v1/jwt/validate',
      async (request) => {
        const body = await readBody(request)
        await firstOf(jwtBundles)
        const verdict = await verifyJwtSvid(readText(body, 'token'), {
          bundles: jwtBundles.current(),
          audiences: [readText(body, 'audience')],
          now: Date.now(),
        })
        if (!verdict.ok) throw new Rejected(`${verdict.reason}: ${verdict.detail}`)
        const { spiffeId, claims } = verdict.svid
        return { spiffe_id: spiffeId.toString(), claims }
      },
    ],
  ])
}

/** Waits for the first JWT bundles, at most two seconds, because the agent may have none. */
async function firstOf(jwtBundles: JwtBundleSource): Promise<void> {
  if (jwtBundles.current().size > 0) return
  await new Promise<void>((resolve) => {
    setTimeout(resolve, 2000)
    jwtBundles.onChange(resolve)
  })
}

/** Thrown for a token that is not a JWT-SVID. */
class Rejected extends Error {}

function judge(error: unknown): Answer['status'] {
  if (error instanceof Rejected) return 'rejected'
  if (!(error instanceof CountersignError)) return 'error'
  if (error.code === 'agent_unsupported') return 'unsupported'
  return rejections.has(String(error.code)) ? 'rejected' : 'error'
}

// A malformed request is not a rejection, because otherwise negative tests would prove nothing.
const rejections: ReadonlySet<string> = new Set(['agent_refused', 'agent_denied', 'server_untrusted'])

async function readBody(request: IncomingMessage): Promise<object> {
  const body: unknown = await json(request)
  return typeof body === 'object' && body !== null ? body : {}
}

function readText(body: object, name: string): string {
  const value: unknown = Reflect.get(body, name)
  return typeof value === 'string' ? value : ''
}

function readTexts(body: object, name: string): readonly string[] {
  const value: unknown = Reflect.get(body, name)
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : []
}
