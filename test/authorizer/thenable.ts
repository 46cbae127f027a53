/** Creates an object that is awaited like a promise, without being one. */
export function createThenable(
  then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
): object {
  return Object.fromEntries(new Map([['then', then]]))
}

/** Creates an object whose function `then` cannot be read. */
export function createUnreadableThenable(): object {
  return new Proxy(
    {},
    {
      get: (_target, name) => {
        if (name === 'then') throw new Error('unreadable')
        return undefined
      },
    },
  )
}
