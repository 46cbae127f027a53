import assert from 'node:assert/strict'
import test from 'node:test'
import { ConfigurationError, SpiffeIdError } from '@countersign/core'
import { AgentError } from '@countersign/workload-api'
import { readFailure } from '../../packages/cli/src/failure.ts'

const denial = {
  method: 'FetchX509SVID',
  code: 'PERMISSION_DENIED',
  details: 'a\nb',
  endpoint: 'unix:///agent.sock',
} as const

test('a wrong command line is exit code 2, and what an agent or the system says is 1', () => {
  const cases: readonly (readonly [error: Error, exitCode: number, code: string])[] = [
    [new ConfigurationError('option_invalid', 'found none'), 2, 'option_invalid'],
    // A SPIFFE ID of a command line has been turned into a wrong option; this one came in a message.
    [new SpiffeIdError('bad_scheme', 'found http'), 1, 'bad_scheme'],
    [new AgentError(denial), 1, 'agent_denied'],
    [Object.assign(new Error('permission denied'), { code: 'EACCES' }), 1, 'EACCES'],
  ]
  for (const [error, exitCode, code] of cases) {
    const failure = readFailure(error)
    assert.deepEqual([failure.exitCode, failure.code], [exitCode, code])
  }
})

test('what an agent says is one line, and names status and endpoint', () => {
  const { message, grpcStatus, endpoint } = readFailure(new AgentError(denial))

  assert.equal(message.split('\n').length, 1)
  assert.deepEqual([grpcStatus, endpoint], ['PERMISSION_DENIED', 'unix:///agent.sock'])
})

test('a fault of the program itself is no failure of the agent and is thrown on', () => {
  assert.throws(() => readFailure(new TypeError('x is not a function')), TypeError)
  assert.throws(
    () => readFailure('text'),
    (error) => error === 'text',
  )
})
