import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import * as client from '@countersign/client'
import * as core from '@countersign/core'
import * as expressAdapter from '@countersign/express'
import * as fastifyAdapter from '@countersign/fastify'
import * as policy from '@countersign/policy'
import * as opa from '@countersign/policy/opa'
import * as testkit from '@countersign/testkit'
import * as agentKit from '@countersign/testkit/workload-api'
import * as workloadApi from '@countersign/workload-api'
import { listCoreParameters } from './core-surface.ts'
import { kinds } from './kinds.ts'
import { listPolicyParameters } from './policy-surface.ts'
import { close, listTestkitParameters } from './testkit-surface.ts'
import { listToolParameters } from './tool-surface.ts'

after(close)

const parameters = [
  ...listCoreParameters(),
  ...listPolicyParameters(),
  ...listToolParameters(),
  ...listTestkitParameters(),
]
const packages = [core, client, expressAdapter, fastifyAdapter, testkit, agentKit, workloadApi, policy, opa]

/**
 * Exported to be thrown, as the type of an argument or for our adapters; or with the arguments of the Web's `fetch`.
 */
const untested = `
  CountersignError CallError CertificateError ConfigurationError SourceError SpiffeIdError AgentError PolicyDocumentError
  Agent Authority Caller Peer Running TestKey default BundleReader FaultNotices
`
  .trim()
  .split(/\s+/)

describe('a value of the wrong kind is rejected with our own error by', () => {
  for (const { name, give, accepts } of parameters) {
    test(name, async () => {
      for (const [kind, value] of Object.entries(kinds)) {
        if (accepts.includes(kind)) {
          await give(value)
          continue
        }
        await assert.rejects(
          async () => {
            await give(value)
          },
          (error) => {
            assert.ok(error instanceof core.CountersignError, `${kind}: ${String(error)}`)
            assert.ok(error.message.length > 10 && !error.message.includes('undefined is not'), error.message)
            return true
          },
          `${kind} was accepted`,
        )
      }
    })
  }
})

test('the arguments of every exported function are tested', () => {
  const tried = new Set(parameters.map(({ name }) => name.split(/[ .]/)[0]))
  const exported = packages.flatMap((each) => Object.entries<unknown>({ ...each }))
  const functions = exported.flatMap(([name, value]) => (typeof value === 'function' ? [name] : []))
  const left = functions.filter((name) => !tried.has(name) && !untested.includes(name))
  assert.deepEqual(left, [])
})
