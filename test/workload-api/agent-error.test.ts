import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AgentError } from '@countersign/workload-api'

const methods = ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTSVID', 'FetchJWTBundles', 'ValidateJWTSVID'] as const

// The meaning of a status for each method: SPIFFE Workload API §5.2 and §6.2.
const meanings: readonly (readonly [grpcCode: string, code: string, ...words: readonly RegExp[]])[] = [
  ['PERMISSION_DENIED', 'agent_denied', /entry/, /entry/, /specific SPIFFE ID/, /entry/, /validates no tokens/],
  [
    'INVALID_ARGUMENT',
    'agent_refused',
    /may not be a Workload API/,
    /may not be a Workload API/,
    /audience or this SPIFFE ID/,
    /may not be a Workload API/,
    /the token is not valid/,
  ],
  ['UNIMPLEMENTED', 'agent_unsupported', /X\.509/, /X\.509/, /JWT/, /JWT/, /JWT/],
  ['UNAVAILABLE', 'agent_unreachable', ...methods.map(() => /socket/)],
  ['DEADLINE_EXCEEDED', 'agent_unreachable', ...methods.map(() => /in time/)],
  ['RESOURCE_EXHAUSTED', 'agent_failed', ...methods.map(() => /16 MiB/)],
  ['DATA_LOSS', 'agent_failed', ...methods.map(() => /log of the agent/)],
]

for (const [grpcCode, code, ...words] of meanings) {
  for (const [index, method] of methods.entries()) {
    test(`${grpcCode} of ${method} is ${code} and explains what it means for this method`, () => {
      const error = new AgentError({ method, code: grpcCode, details: 'details', endpoint: 'unix:///agent.sock' })
      assert.deepEqual([error.code, error.grpcCode, error.endpoint], [code, grpcCode, 'unix:///agent.sock'])
      assert.match(error.message, words[index] ?? /^$/)
      assert.ok(error.message.startsWith(`${method} at unix:///agent.sock: ${grpcCode}: details; `))
      assert.equal(error.isFinal, code === 'agent_refused' || code === 'agent_unsupported')
    })
  }
}
