// The suite that a queue store has to pass.
import Sluice
