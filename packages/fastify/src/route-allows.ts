import type { RouteOptions } from 'fastify'
import { ConfigurationError, type Requirement } from '@countersign/core'

/** Records the requirement of a hook, so that the plugin finds it when a route is registered. */
export function registerAllow(hook: object, requirement: Requirement): void {
  demands.set(hook, requirement)
  names.set(hook, 'allow')
}

/** Records a hook that has no requirement, to detect a place where it does not protect. */
export function registerHook(hook: object, name: string): void {
  names.set(hook, name)
}

/** Records the function that creates such hooks, to detect a missing call. */
export function registerUncalled(factory: object, name: string): void {
  uncalled.set(factory, name)
}

/** Returns the requirement of a hook created by `allow()`. */
export function findDemand(hook: object): Requirement | undefined {
  return demands.get(hook)
}

/** Describes one of our hooks among these, called or not. Returns undefined if there is none. */
export function findOwnHook(hooks: unknown): string | undefined {
  const listed = listHooks(hooks)
  const [factory] = listed.flatMap((hook) => uncalled.get(hook) ?? [])
  if (factory !== undefined) return `${factory}, which was not called,`
  const [name] = listed.flatMap((hook) => names.get(hook) ?? [])
  return name === undefined ? undefined : `${name}(…)`
}

/**
 * Returns the hooks of a route that `allow()` created.
 *
 * @throws {ConfigurationError} `registration_invalid` if one of our hooks is in a place where it runs too late, or does
 * not run as a hook
 */
export function findAllows(route: RouteOptions, where: string): readonly object[] {
  for (const [place, value] of Object.entries(route)) {
    const [factory] = listHooks(value).flatMap((hook) => uncalled.get(hook) ?? [])
    if (factory !== undefined) {
      const message = `${where}: found ${factory} as ${place} without being called; write onRequest: ${factory}(…)`
      throw new ConfigurationError('registration_invalid', message, { value: place })
    }
    const [name] = listHooks(value).flatMap((hook) => names.get(hook) ?? [])
    if (hookPlaces.includes(place) || name === undefined) continue
    const message = `${where}: found ${name}(…) as ${place}, expected it as onRequest, preValidation or preHandler, because elsewhere it does not run before the handler`
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

/** The names of our functions, by the hooks that they create. */
const names = new WeakMap<object, string>()

const uncalled = new WeakMap<object, string>()
