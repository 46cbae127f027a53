/**
 * Marks middleware of ours, so that an application can be checked at start. By a property and not by the function itself:
 * monitoring (OpenTelemetry, Elastic APM) puts a function around each middleware, to which it copies what is enumerable.
 */
export class MiddlewareMark<Value> {
  readonly #name: string
  readonly #values = new WeakMap<object, Value>()

  constructor(name: string) {
    this.#name = name
  }

  /** Marks a middleware with a value. */
  set(middleware: object, value: Value): void {
    // What it is can be copied, but not made.
    const mark = Object.freeze({})
    this.#values.set(mark, value)
    Object.defineProperty(middleware, this.#name, { value: mark, enumerable: true })
  }

  /** The value of a middleware, or of the one that a function was put around. */
  get(middleware: object): Value | undefined {
    const mark: unknown = Reflect.get(middleware, this.#name)
    return typeof mark === 'object' && mark !== null ? this.#values.get(mark) : undefined
  }
}
