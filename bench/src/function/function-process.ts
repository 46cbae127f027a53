/** Measures calls in a new process, in which no other code has run. Returns rounds by subject. */
import { forAdapter, type GuardedRequest, isDenial } from '@countersign/core/adapter'
import { isListed } from '../handwritten-check.ts'
import { answerMessages, hasNames } from '../measure/child-process.ts'
import { countBytes } from '../measure/count-bytes.ts'
import { type Call, timeCalls } from '../measure/time-calls.ts'
import { callerId, issueIdentities, path, rules, writePolicies, writeRules } from '../workload.ts'
import { createEngine } from './engines.ts'
import type { FunctionTask, Rounds } from './function-task.ts'
import { type OpenRequest, openRequest } from './open-request.ts'

answerMessages(hasNames<FunctionTask>('kind', 'rounds'), async (task) => ({
  answer: await measure(task),
  next: () => undefined,
}))

function measure(task: FunctionTask): Promise<Rounds> {
  if (task.kind === 'engine') return measureEngine(task)
  if ('counts' in task) return measureCounts(task, task.kind === 'again' ? admitAgain : admitInTurn)
  return task.kind === 'call' ? measureCall(task.rounds) : measureBytes(task.rounds)
}

async function measureCall(rounds: number): Promise<Rounds> {
  const opened = await openRequest(await issueIdentities(), rules)
  const { request, close } = opened
  const guard = forAdapter(opened.guard)
  if (!isListed(request.socket, path))
    throw new Error('the hand-written check denied the caller, expected it to be allowed')
  const times = timeCalls(
    {
      allowed: () => guard.admit(request),
      denied: deny(opened),
      handwritten: () => isListed(request.socket, path),
    },
    rounds,
  )
  await close()
  return times
}

async function measureBytes(rounds: number): Promise<Rounds> {
  const opened = await openRequest(await issueIdentities(), rules)
  const { request, close } = opened
  const guard = forAdapter(opened.guard)
  const routeAllow = guard.compileRoute([callerId], 'the route')
  const bytes = {
    allowed: countBytes(() => guard.admit(request), rounds),
    'allowed, with the route': countBytes(() => guard.admit(request, { routeAllow }), rounds),
    denied: countBytes(deny(opened), rounds),
    handwritten: countBytes(() => isListed(request.socket, path), rounds),
  }
  await close()
  return bytes
}

async function measureCounts(
  { rounds, counts, what }: Extract<FunctionTask, { kind: 'again' | 'in turn' }>,
  admit: (open: OpenRequest, paths: readonly string[]) => Call,
): Promise<Rounds> {
  const identities = await issueIdentities()
  const calls: Record<string, Call> = {}
  const opened: OpenRequest[] = []
  for (const count of counts) {
    const { rules: table, policies, paths } = { rules: undefined, policies: undefined, ...write[what](count) }
    const open = await openRequest(identities, table, policies)
    calls[count] = admit(open, paths)
    opened.push(open)
  }
  const times = timeCalls(calls, rounds)
  for (const { close } of opened) await close()
  return times
}

const write = { rules: writeRules, policies: writePolicies }

// Alone in its process, because an engine that fills the memory makes every other call slower.
async function measureEngine({ rounds, count, engine }: Extract<FunctionTask, { kind: 'engine' }>): Promise<Rounds> {
  if (engine !== 'Countersign') return timeCalls({ [engine]: await createEngine(engine, count) }, rounds)
  const opened = await openRequest(await issueIdentities(), writeRules(count).rules)
  const guard = forAdapter(opened.guard)
  const times = timeCalls({ [engine]: () => guard.admit(opened.request) }, rounds)
  await opened.close()
  return times
}

function deny({ guard: opened, request }: OpenRequest): Call {
  const guard = forAdapter(opened)
  const { httpVersionMajor, socket, headers, rawHeaders } = request
  const denied = { method: 'GET', url: '/elsewhere', httpVersionMajor, socket, headers, rawHeaders }
  const verdict = guard.admit(denied)
  if (verdict instanceof Promise || verdict === null || !isDenial(verdict))
    throw new Error('a request was allowed, expected a denial')
  return () => guard.admit(denied)
}

function admitAgain({ guard: opened, request }: OpenRequest): Call {
  const guard = forAdapter(opened)
  return () => guard.admit(request)
}

function admitInTurn({ guard: opened, request }: OpenRequest, paths: readonly string[]): Call {
  const guard = forAdapter(opened)
  const { method, httpVersionMajor, socket, headers, rawHeaders } = request
  const requests = Array.from({ length: requestCount }, (_, index): GuardedRequest => {
    const url = copyText(paths[index % paths.length] ?? path)
    return { method, url, httpVersionMajor, socket, headers, rawHeaders }
  })
  let next = 0
  return () => {
    next = next + 1 < requests.length ? next + 1 : 0
    return guard.admit(requests[next] ?? request)
  }
}

// The same number for few and for many rules, so that loading the requests from memory costs the same.
const requestCount = 10_000

// A concatenated string is a tree of its parts. Node's parser returns a flat string, which is faster to read.
function copyText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
