import type { AdapterGuard } from '@countersign/core/adapter'
import type { FastifyInstance } from 'fastify'
import type { DecidingRequest } from './log-to-fastify.ts'

/** What decides the requests of an instance. */
export interface InstanceGuard {
  readonly guard: AdapterGuard
  readonly deciding: DecidingRequest
}

/** Records on a root instance that this guard decides all requests of the instance and its children. */
export function registerGuard(app: FastifyInstance, guard: InstanceGuard): void {
  app.decorate(guardOf, guard)
}

/** Returns the guard of the instance that handles a request, or undefined if the plugin is not registered. */
export function findGuard(app: object): InstanceGuard | undefined {
  return isGuarded(app) ? app[guardOf] : undefined
}

const guardOf: unique symbol = Symbol('countersign.guard')

interface GuardedInstance {
  readonly [guardOf]: InstanceGuard
}

function isGuarded(app: object): app is GuardedInstance {
  return guardOf in app
}
