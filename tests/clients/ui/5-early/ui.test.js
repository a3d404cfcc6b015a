import { testClient } from "../suite.js";
import * as ai from "ai";
import * as react from "@ai-sdk/react";

testClient("5.0.93", { ...ai, ...react });
