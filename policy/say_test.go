package policy_test

const (
	sayPending   = "Another login with your name is asking for approval on your phone. Do not approve what you did not start: deny it and report it in Duo Mobile."
	sayHeldByDuo = "Duo sends no more requests to your phone for now. Wait a minute."
	sayTooQuick  = "The last request to your phone was denied at once, before you can have answered it. Wait a minute."
	sayAccount   = "Your account can't log in: its password may have expired. Ask your help desk."
	sayWrong     = "Wrong user name or password."
	sayLater     = "The login can't be checked now. Try again in a minute."
)
