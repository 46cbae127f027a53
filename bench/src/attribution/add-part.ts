import type { Server } from 'node:net'
import type { Guard } from '@countersign/core'
import type { Check } from '../subject.ts'

/** Adds to a server the part of Countersign that a check measures alone, if it is one of the server's parts. */
export function addPart(check: Check, server: Server, guard: Guard): void {
  if (check === 'attached') guard.attach(server)
  if (check === 'wrapped') wrapEmit(server)
}

function wrapEmit(server: Server): void {
  const emit: unknown = Reflect.get(server, 'emit')
  if (typeof emit !== 'function') throw new Error('the server has no emit function')
  const wrapped = (...values: readonly unknown[]): unknown => Reflect.apply(emit, server, values)
  Reflect.defineProperty(server, 'emit', { value: wrapped, writable: true, configurable: true })
}
