/**
 * A server in a separate process, to measure only its processor time. Answers the first message with its port, and
 * later ones with its processor time so far.
 */
import { createGuard, denyAll, type GuardOptions, type Rule, staticSource } from '@countersign/core'
import { startExpress } from '../express-server.ts'
import { startFastify } from '../fastify-server.ts'
import { answerMessages, hasNames, processorTime } from '../measure/child-process.ts'
import { path, rules, writeRules } from '../workload.ts'
import type { RequestTask } from './request-case.ts'

answerMessages(hasNames<RequestTask>('framework', 'check', 'material'), async (task) => {
  const { framework, check, http, isAllowed, logs, material } = task
  const options: GuardOptions = { source: staticSource(material), ...(!logs && { log: () => undefined }) }
  const guard = createGuard(task.rules === 0 ? options : { ...options, rules: chooseRules(task) })
  const start = framework === 'Fastify' ? startFastify : startExpress
  const variant = { http, ...(!isAllowed && check === 'none' && { refusal }) }
  return {
    answer: await start(guard, check, { count: () => undefined }, variant),
    next: processorTime,
  }
})

function chooseRules({ rules: count, isAllowed }: RequestTask): readonly Rule[] {
  if (!isAllowed)
    return [
      { path, allow: denyAll() },
      { path: '/**', allow: denyAll() },
    ]
  return count <= rules.length ? rules : writeRules(count).rules
}

// As long as Countersign's response.
const refusal = JSON.stringify({
  type: 'about:blank',
  title: 'Forbidden',
  status: 403,
  instance: 'urn:uuid:00000000-0000-4000-8000-000000000000',
  code: 'access_denied',
})
