import type { RouteOptions } from 'fastify'
import { ConfigurationError, type Requirement } from '@countersign/core'

/** Records the requirement of a hook, so that the plugin finds it when a route is registered. */
export function registerAllow(hook: object, requirement: Requirement): void {
  demands.set(hook, requirement)
}

/** Records the function that creates such hooks, to detect a missing call. */
export function registerUncalled(factory: object): void {
  uncalled.add(factory)
}

/** Returns the requirement of a hook created by `allow()`. */
export function findDemand(hook: object): Requirement | undefined {
  return demands.get(hook)
}

/** Describes `allow` among these hooks, called or not. Returns undefined if it is not among them. */
export function findAllowHook(hooks: unknown): 'allow(…)' | 'allow, which was not called,' | undefined {
  const listed = listHooks(hooks)
  if (listed.some((hook) => uncalled.has(hook))) return 'allow, which was not called,'
  return listed.some((hook) => demands.has(hook)) ? 'allow(…)' : undefined
}

/**
 * Returns the hooks of a route that `allow()` created.
 *
 * @throws {ConfigurationError} `registration_invalid` if one is in a place where it runs too late or not as a hook
 */
export function findAllows(route: RouteOptions, where: string): readonly object[] {
  for (const [place, value] of Object.entries(route)) {
    if (listHooks(value).some((hook) => uncalled.has(hook))) {
      const message = `${where}: found allow as ${place} without being called; write onRequest: allow(…)`
      throw new ConfigurationError('registration_invalid', message, { value: place })
    }
    if (hookPlaces.includes(place) || !listHooks(value).some((hook) => demands.has(hook))) continue
    const message = `${where}: found allow(…) as ${place}, expected it as onRequest, preValidation or preHandler, because elsewhere it does not run before the handler`
    throw new ConfigurationError('registration_invalid', message, { value: place })
  }
  return hookPlaces
    .flatMap((place) => listHooks(Reflect.get(route, place)))
    .filter((hook, index, all) => demands.has(hook) && all.indexOf(hook) === index)
}

const hookPlaces: readonly string[] = ['onRequest', 'preValidation', 'preHandler']

function listHooks(value: unknown): readonly object[] {
  return [value].flat().filter((hook): hook is object => typeof hook === 'function')
}

const demands = new WeakMap<object, Requirement>()

const uncalled = new WeakSet<object>()
