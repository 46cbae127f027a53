import { createServer, type IncomingMessage, type Server } from 'node:http'
import { json } from 'node:stream/consumers'
import { CountersignError } from '@countersign/core'
import { createWorkloadApiClient } from '@countersign/workload-api'

/** Answers what the suite asks over HTTP, in JSON: 200, 422 for what was rejected, 500, 501 for what is not offered. */
export function createControl(): Server {
  return createServer((request, response) => {
    answer(request).then(
      ({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      },
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    )
  })
}

interface Answer {
  readonly status: 200 | 422 | 500 | 501
  readonly body: unknown
}

async function answer(request: IncomingMessage): Promise<Answer> {
  try {
    const offered = offers.get(`${request.method} ${request.url}`)
    if (offered === undefined) return { status: 501, body: { error: 'not offered' } }
    return { status: 200, body: await offered(request) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { status: statusOf(error), body: { error: message } }
  }
}

type Offer = (request: IncomingMessage) => unknown

const offers: ReadonlyMap<string, Offer> = new Map<string, Offer>([
  ['GET /v1/info', () => ({ name: 'countersign', language: 'typescript' })],
  [
    'POST /v1/jwt/fetch',
    async (request) => {
      const body = await readBody(request)
      const spiffeId = readText(body, 'spiffe_id')
      const svid = await createWorkloadApiClient().fetchJwtSvid({ audience: readTexts(body, 'audience'), spiffeId })
      return { token: svid.token, spiffe_id: svid.spiffeId.toString() }
    },
  ],
  [
    'POST /v1/jwt/validate',
    async (request) => {
      const body = await readBody(request)
      const asked = { token: readText(body, 'token'), audience: readText(body, 'audience') }
      const { spiffeId, claims } = await createWorkloadApiClient().validateJwtSvid(asked)
      return { spiffe_id: spiffeId.toString(), claims }
    },
  ],
])

function statusOf(error: unknown): 422 | 500 | 501 {
  if (!(error instanceof CountersignError)) return error instanceof SyntaxError ? 422 : 500
  if (error.code === 'agent_unsupported') return 501
  return rejections.has(String(error.code)) ? 422 : 500
}

const rejections: ReadonlySet<string> = new Set(['agent_refused', 'agent_denied', 'option_invalid'])

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
